package eth

import "github.com/troupe-p2p/troupe/protocols/eth/serve"

// answerAtOnce answers a request from what is in memory, in the turn of the link's actor: that costs no
// goroutine and no other turn. It returns false, and has done nothing, if requests or answers before it
// wait, the answer needs a file or much work, or the bounds of the upload make it wait.
func (l *link) answerAtOnce(request any) bool {
	if !l.peer.lane.idle() || !l.link.AwaitRoom(room) {
		return false
	}
	answer := l.eth.recall(l.link.Version(), request)
	if answer == nil || !l.upload(sizeOf(answer)) {
		return false
	}
	l.peer.lane.finish(answer)
	return true
}

// upload takes so many bytes from the bounds of the upload. It returns false, and takes nothing, if an
// answer has to wait.
func (l *link) upload(size int) bool {
	p := l.peer // only its lane, which is idle, and this turn use the upload of the link
	return p.upload.open() && l.eth.upload.try(&p.share, size) && p.upload.try(new(share), size)
}

// recall returns the answer to a request for blocks that are all in memory, or nil. A Source of the Config
// is not asked what it has in memory: one that embeds Files, and has a Read of its own, would get round it.
func (e *Eth) recall(version uint, request any) any {
	switch request.(type) {
	case *GetBlockHeaders, *GetBlockBodies, *GetReceipts70, *GetBlockAccessLists:
	case *GetReceipts:
		if version == eth68 {
			return nil // the blooms have to be computed
		}
	default:
		return nil
	}
	if e.window == nil {
		return nil
	}
	memory := serve.MemoryOf(e.window)
	answer := e.respond(memory, version, request)
	if memory.Missed() {
		return nil
	}
	return answer
}

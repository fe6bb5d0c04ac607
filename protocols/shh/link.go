package shh

import (
	"fmt"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/troupe-p2p/troupe/protocols"
)

// link is the actor of one link. Its only state is the peer, which the kit's link keeps
// across crashes.
type link struct {
	w    *Whisper
	peer *peer
}

func (l *link) Receive(ctx actor.Context) {
	switch msg := ctx.Message().(type) {
	case *protocols.LinkUp:
		l.peer = l.w.enter(msg.Link)
	case *protocols.LinkDown:
		l.w.leave(l.peer)
	case *protocols.Drained:
		l.w.drained(l.peer)
	case *PoWRequirement:
		l.end(l.powRequirement(*msg))
	case *BloomFilter:
		l.end(l.bloomFilter(*msg))
	case *protocols.RawMessage:
		l.end(l.raw(msg))
	}
}

// end ends the link if err is not nil.
func (l *link) end(err error) {
	if err != nil {
		l.peer.link.DisconnectWithError(reasonOf(err), err)
	}
}

func (l *link) powRequirement(r PoWRequirement) error {
	pow, err := r.value()
	if err != nil {
		return err
	}
	return l.w.require(l.peer, func() { l.peer.minPoW = pow })
}

func (l *link) bloomFilter(b BloomFilter) error {
	if len(b) != BloomSize {
		return fmt.Errorf("bloom filter of %d bytes, want %d", len(b), BloomSize)
	}
	return l.w.require(l.peer, func() { l.peer.bloom = Bloom(b) })
}

func (l *link) raw(msg *protocols.RawMessage) error {
	if err := l.w.checkSize(msg.Payload); err != nil {
		return err
	}
	switch msg.Code {
	case messagesCode:
		return l.w.arrive(l.peer, msg.Payload)
	case p2pRequestCode:
		return l.w.request(l.peer, msg.Payload)
	case p2pMessageCode:
		return l.w.direct(l.peer, msg.Payload)
	}
	return nil
}

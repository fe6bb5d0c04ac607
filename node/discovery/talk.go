package discovery

import (
	"net"
	"net/netip"

	"github.com/ethereum/go-ethereum/p2p/discover"
	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/troupe-p2p/troupe/nat/netaddr"
)

// maxTalking is how many TALKREQs are being answered at the same time. The library has room
// for 1024, and when that is full it keeps everything waiting for up to 0.4 s, its
// answers to others as well.
const maxTalking = 256

// TalkHandler answers a TALKREQ of discv5-wire. from has proved that it is that node and
// that it is at that endpoint, which need not be the one of its record; the record itself
// may be old, or missing if we had a URL only. The request is the handler's to keep. An
// empty answer is what a node gives that doesn't know the protocol. What it answers after
// 0.7 s comes too late for go-ethereum's library.
//
// It runs in a goroutine of its own. At most 256 do at a time: beyond that the answer is
// empty. Its panic is a crash of the actor, and an empty answer.
type TalkHandler func(from *enode.Node, at netip.AddrPort, request []byte) []byte

// talker gives a handler to the library, whose goroutines have no recover.
func (h *shared) talker(handle TalkHandler, spawn func(func())) discover.TalkRequestHandler {
	return func(from *enode.Node, addr *net.UDPAddr, request []byte) []byte {
		if h.talking.Add(1) > maxTalking {
			h.talking.Add(-1)
			h.mux.traffic.talks.Add(1)
			return nil
		}
		at := addr.AddrPort()
		answer := make(chan []byte, 1)
		spawn(func() {
			defer h.talking.Add(-1)
			defer close(answer) // without an answer, after a panic
			answer <- handle(from, netaddr.Unmap(at), request)
		})
		return <-answer
	}
}

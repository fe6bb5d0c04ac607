package discovery

import (
	"net"
	"net/netip"

	"github.com/ethereum/go-ethereum/p2p/discover"
	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/troupe-p2p/troupe/nat/netaddr"
)

// maxTalking is how many TALKREQs may be answered at the same time. The library has room for 1024;
// when that is full, it delays everything, including its answers to other nodes, for up to 0.4 s.
const maxTalking = 256

// TalkHandler answers a TALKREQ of discv5-wire. The sender has proved its identity and its endpoint
// at, which may differ from its record; the record itself may be old, or missing if only a URL was
// known. The handler may keep the request. An empty answer means that the node doesn't support the
// protocol. go-ethereum's library ignores answers after 0.7 s.
//
// Each call runs in a goroutine of its own. At most 256 run at a time; further requests get an
// empty answer. A panic in the handler crashes the actor and sends an empty answer.
type TalkHandler func(from *enode.Node, at netip.AddrPort, request []byte) []byte

// talker adapts a handler for the library, whose goroutines have no recover.
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
			defer close(answer) // after a panic there is no answer
			answer <- handle(from, netaddr.Unmap(at), request)
		})
		return <-answer
	}
}

package torture

import (
	"net"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/rlp"
)

// unread are the words by which a node names a remote that does not read its answers. Where the
// attacker's system has no room for them, its TCP stands still in both directions, so that the node
// receives nothing any more, and what it sent is not acknowledged.
var unread = []string{"remote reads nothing", "mutual backpressure", "has not acknowledged", "disconnect requested"}

// pings floods a link with pings, and reads no pong.
type pings struct{}

func (pings) About() About {
	return About{
		Name: "pings", Does: "sends pings on a link and reads no answer", Rate: 5000, Unit: "pings", Ends: 50 * time.Second,
		Words: unread, Needs: needsProtocol,
	}
}

func (pings) Attack(a *Attacker) { a.flood(ping) }

// requests floods a link with requests, and reads no answer.
type requests struct{}

func (requests) About() About {
	return About{
		Name: "requests", Does: "sends requests on a link (echoes of 16 KiB to bench, else lines to chat) and reads no answer",
		Rate: 200, Unit: "requests", Ends: 50 * time.Second, Words: unread, Needs: needsRequests,
	}
}

func (requests) Attack(a *Attacker) {
	if a.node.speak().Name == "bench" {
		a.flood(echo(16 << 10))
		return
	}
	line, err := rlp.EncodeToBytes([]string{strings.Repeat("a", 1000)})
	if err != nil {
		panic(err) // impossible
	}
	a.flood(probe{ask: firstCode, payload: line})
}

// flood sends a message again and again and reads nothing. A write that blocks ends when the node
// ends the link.
func (a *Attacker) flood(p probe) {
	a.again(func() error {
		l, err := a.link(0, freshKey())
		if err != nil {
			return err
		}
		defer a.leave(l)
		if tcp, ok := l.conn.Conn.(*net.TCPConn); ok { // so that the node's answers wait at the node
			if err := tcp.SetReadBuffer(4 << 10); err != nil {
				return err
			}
		}
		for n := a.turn(); n > 0; n = a.turn() {
			if err := l.send(n, p.ask, p.payload); err != nil {
				break // the node has ended the link
			}
		}
		return nil
	})
}

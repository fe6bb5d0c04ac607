package torture

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/golang/snappy"

	"github.com/troupe-p2p/troupe/wire"
)

// zeros is a payload of 16 MiB of zeros, compressed to 780 KB, and atMost one byte less, which is
// what a message may have.
var (
	zeros  = sync.OnceValue(func() []byte { return snappy.Encode(nil, make([]byte, wire.MaxPayload+1)) })
	atMost = sync.OnceValue(func() []byte { return snappy.Encode(nil, make([]byte, wire.MaxPayload)) })
)

// echoSize is the largest payload that bench echoes, in bytes.
const echoSize = 8 << 20

// bombs sends messages that decompress to 16 MiB.
type bombs struct{}

func (bombs) About() About {
	return About{
		Name: "bomb", Does: "sends 16 MiB of zeros in a frame of 780 KB to a protocol, on a new link each time", Rate: 1, Unit: "frames",
		Ends: 20 * time.Second, Words: []string{"payload exceeds", "at most", "disconnect requested"}, Needs: needsProtocol,
	}
}

func (bombs) Attack(a *Attacker) {
	var n atomic.Uint64
	a.each(func() error {
		l, err := a.link(0, freshKey())
		if err != nil {
			return err
		}
		a.drain(l)
		bomb := atMost()
		if n.Add(1)%2 == 0 {
			bomb = zeros()
		}
		frame, err := l.seal(firstCode, bomb)
		if err == nil {
			_, err = l.conn.Write(frame)
		}
		if err == nil && a.node.speak().Name == "bench" && len(bomb) == len(atMost()) {
			// bench consumes any data, so the node has no reason to end the link.
			sleep(a.acting, time.Second)
		} else {
			a.await(l.conn)
		}
		a.leave(l)
		return err
	})
}

// bombEchoes asks for echoes that decompress to 8 MiB, the most that bench echoes.
type bombEchoes struct{}

func (bombEchoes) About() About {
	return About{
		Name: "bomb-echo", Does: "asks for the echo of 8 MiB of zeros, in a frame of 390 KB", Rate: 1, Unit: "frames",
		Ends: 20 * time.Second, Words: []string{"disconnect requested", "at most"}, Needs: needsBench,
	}
}

func (bombEchoes) Attack(a *Attacker) {
	ask := echo(echoSize)
	a.again(func() error {
		l, err := a.link(0, freshKey())
		if err != nil {
			return err
		}
		defer a.leave(l)
		for a.turn() > 0 {
			if err := l.send(1, ask.ask, ask.payload); err != nil {
				return err
			}
			if _, err := l.session.await(ask.answer); err != nil {
				return err
			}
		}
		return nil
	})
}

// bombPings sends pings with a payload that decompresses to 16 MiB.
type bombPings struct{}

func (bombPings) About() About {
	return About{
		Name: "bomb-ping", Does: "sends pings with 16 MiB of zeros, in frames of 780 KB", Rate: 1, Unit: "frames",
		Ends: 20 * time.Second, Words: []string{"disconnect requested", "ping of"}, Needs: needsProtocol,
	}
}

func (bombPings) Attack(a *Attacker) {
	a.again(func() error {
		l, err := a.link(0, freshKey())
		if err != nil {
			return err
		}
		defer a.leave(l)
		a.drain(l)
		for a.turn() > 0 {
			frame, err := l.seal(wire.PingMsg, atMost())
			if err != nil {
				return err
			}
			if _, err := l.conn.Write(frame); err != nil {
				break // the node has ended the link
			}
		}
		return nil
	})
}

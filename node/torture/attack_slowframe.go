package torture

import (
	"time"

	"github.com/troupe-p2p/troupe/wire"
)

// dripLen is how many bytes of a slow frame are sent at a time.
const dripLen = 256

// slowFrames sends the largest frame slowly on a link, and begins anew when the node ends the link.
type slowFrames struct{}

func (slowFrames) About() About {
	return About{
		Name: "slow-frame", Does: "sends a frame of 16 MiB on a link, 256 bytes at a time", Rate: 4, Unit: "writes", Ends: 45 * time.Second,
		Words: []string{"frame not complete 30 s after its first byte"}, Needs: needsProtocol,
	}
}

func (slowFrames) Attack(a *Attacker) {
	a.again(func() error {
		l, err := a.link(0, freshKey())
		if err != nil {
			return err
		}
		defer l.conn.Close()
		a.drain(l)
		head, err := l.headOf(wire.MaxFrame-1, 64<<10)
		if err != nil {
			return err
		}
		for len(head) > 0 && a.turn() > 0 {
			n := min(dripLen, len(head))
			if _, err := l.conn.Write(head[:n]); err != nil {
				break
			}
			head = head[n:]
		}
		a.await(l.conn)
		return nil
	})
}

// headOf seals a frame of size bytes and returns its first bytes.
func (s *session) headOf(size, first int) ([]byte, error) {
	frame, err := s.seal(firstCode, make([]byte, size))
	s.frame = nil // too large to keep
	if err != nil {
		return nil, err
	}
	return append([]byte(nil), frame[:first]...), nil
}

package torture

import (
	"sync/atomic"
	"time"

	"github.com/troupe-p2p/troupe/wire"
)

// dripEvery is the time between two bytes of a slow handshake. It is shorter than any deadline for
// a single read.
const dripEvery = 100 * time.Millisecond

// slowHandshakes sends an auth byte by byte, or after a proper auth a Hello byte by byte.
type slowHandshakes struct{}

func (slowHandshakes) About() About {
	return About{
		Name: "slow-handshake", Does: "sends its auth, or its Hello, byte by byte, ten bytes a second", Rate: 2, Unit: "connections",
		Ends: 20 * time.Second, Late: true, Words: []string{"waiting for auth", "waiting for the remote's hello"},
	}
}

func (slowHandshakes) Attack(a *Attacker) {
	var n atomic.Uint64
	a.each(func() error {
		if n.Add(1)%2 == 0 {
			return slowAuth(a)
		}
		return slowHello(a)
	})
}

func slowAuth(a *Attacker) error {
	auth, err := wire.NewAuth(freshKey(), a.node.Node.Pubkey(), nil)
	if err != nil {
		return err
	}
	c, err := a.dial(0)
	if err != nil {
		return err
	}
	defer c.Close()
	a.drip(c, auth.Packet())
	return nil
}

func slowHello(a *Attacker) error {
	c, err := a.dial(0)
	if err != nil {
		return err
	}
	defer c.Close()
	key := freshKey()
	s, err := encrypt(c, key, a.node.Node.Pubkey())
	if err != nil {
		return err
	}
	hello, err := s.AppendHello(nil, helloOf(key, a.node.speak()))
	if err != nil {
		return err
	}
	a.drip(c, hello)
	return nil
}

// drip sends bytes one by one until the node ends the connection, and at most all but the last.
func (a *Attacker) drip(c *conn, b []byte) {
	for i := range len(b) - 1 {
		if _, err := c.Write(b[i : i+1]); err != nil || c.over() || !sleep(a.held, dripEvery) {
			break
		}
	}
	a.await(c)
}

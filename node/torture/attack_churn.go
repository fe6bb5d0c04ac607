package torture

import (
	"errors"
	"net"
	"time"

	"github.com/troupe-p2p/troupe/wire"
)

// handshakes makes links of new nodes, and closes their connections at once.
type handshakes struct{}

func (handshakes) About() About {
	return About{
		Name: "handshakes", Does: "makes a link with a new ID each time, and closes the connection", Rate: 5, Unit: "handshakes",
		Ends: 10 * time.Second, Words: []string{"connection closed without a Disconnect", "connection reset", "broken pipe"}, Needs: needsProtocol,
	}
}

func (handshakes) Attack(a *Attacker) {
	a.each(func() error {
		l, err := a.link(0, freshKey())
		if err != nil {
			return err
		}
		err = l.conn.Close()
		a.await(l.conn)
		return err
	})
}

// disconnects makes links, and ends each with a Disconnect at once.
type disconnects struct{}

func (disconnects) About() About {
	return About{
		Name: "disconnects", Does: "makes a link with a new ID each time, and sends a Disconnect", Rate: 5, Unit: "handshakes",
		Ends: 10 * time.Second, Words: []string{"disconnect requested"}, Needs: needsProtocol,
	}
}

func (disconnects) Attack(a *Attacker) {
	a.each(func() error {
		l, err := a.link(0, freshKey())
		if err != nil {
			return err
		}
		a.leave(l)
		return nil
	})
}

// twice makes a link, and a second one with the same ID from another address.
type twice struct{}

func (twice) About() About {
	return About{
		Name: "twice", Does: "makes two links with one ID, from two addresses where --from has two", Rate: 2, Unit: "pairs",
		Ends: 10 * time.Second, Words: []string{"already connected", "disconnect requested"}, Needs: needsProtocol,
	}
}

func (twice) Attack(a *Attacker) {
	a.each(func() error {
		key := freshKey()
		first, err := a.link(0, key)
		if err != nil {
			return err
		}
		defer a.leave(first)
		second, err := a.link(1, key)
		var refused *wire.RemoteDisconnect
		switch {
		case err == nil:
			a.leave(second)
		case errors.As(err, &refused):
			err = nil // that is what the node should do
		}
		return err
	})
}

// replays sends the packets of an earlier handshake again.
type replays struct{}

func (replays) About() About {
	return About{
		Name: "replay", Does: "sends a recorded auth and Hello again", Rate: 5, Unit: "connections", Ends: 15 * time.Second,
		Words: []string{"perhaps after a replayed auth", "disconnect requested"},
	}
}

func (replays) Attack(a *Attacker) {
	packets, err := a.record()
	if err != nil {
		a.counts.failed.Add(1)
		return
	}
	a.each(func() error {
		c, err := a.dial(0)
		if err != nil {
			return err
		}
		defer c.Close()
		if _, err := c.Write(packets); err != nil {
			return err
		}
		a.await(c)
		return nil
	})
}

// record makes a session and returns what was written: auth and Hello.
func (a *Attacker) record() ([]byte, error) {
	c, err := a.dial(0)
	if err != nil {
		return nil, err
	}
	r := &recorder{Conn: c}
	s, err := newSession(r, freshKey(), a.node.Node.Pubkey(), a.node.speak())
	if err != nil {
		return nil, errors.Join(err, c.Close())
	}
	written := r.written
	a.leave(&link{s, c})
	return written, nil
}

// recorder keeps what is written.
type recorder struct {
	net.Conn
	written []byte
}

func (r *recorder) Write(b []byte) (int, error) {
	r.written = append(r.written, b...)
	return r.Conn.Write(b)
}

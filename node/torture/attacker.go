package torture

import (
	"context"
	"crypto/ecdsa"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/troupe-p2p/troupe/nat/netaddr"
	"github.com/troupe-p2p/troupe/wire"
)

// maxOpen limits the connections of one attacker that are open at the same time.
const maxOpen = 128

// Attacker is what an [Attack] acts by: it gives turns at the stated rate, makes connections, and
// ends them. Its methods are for the attacker's own goroutines.
type Attacker struct {
	node   *owner
	ledger *ledger
	counts *counts
	// from are the source addresses, this attacker's first. Empty: the system chooses.
	from []netip.Addr
	pace pace

	acting context.Context // ends with the time of the attack
	held   context.Context // ends when connections that are still open are given up
	room   chan struct{}
	work   *sync.WaitGroup
}

// turn waits until actions are due, and returns their number, or zero when the time is over.
func (a *Attacker) turn() int {
	for a.acting.Err() == nil {
		n, wait := a.pace.due(time.Now())
		if n > 0 {
			a.counts.actions.Add(uint64(n))
			return n
		}
		sleep(a.acting, wait)
	}
	return 0
}

// sleep waits for d, or until ctx ends. It returns false if ctx has ended.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// each calls act for each action, in goroutines, until the time is over. An action that finds
// maxOpen others under way waits for one of them. An error counts as a failed action.
func (a *Attacker) each(act func() error) {
	for n := a.turn(); n > 0; n = a.turn() {
		for range n {
			select {
			case a.room <- struct{}{}:
			case <-a.acting.Done():
				return
			}
			a.work.Go(func() {
				defer func() { <-a.room }()
				if act() != nil {
					a.counts.failed.Add(1)
				}
			})
		}
	}
}

// again calls act, which keeps one link, again and again until the time is over.
func (a *Attacker) again(act func() error) {
	for a.acting.Err() == nil {
		if act() != nil {
			a.counts.failed.Add(1)
			sleep(a.acting, time.Second) // the node may have no room
		}
	}
}

// conn is a connection of an attacker.
type conn struct {
	net.Conn
	entry  *entry
	counts *counts
	forget func() bool // stops the closing at the end of the phase
}

// dial connects to the node from the attacker's nth source address.
func (a *Attacker) dial(nth int) (*conn, error) {
	raw, err := a.node.dial(a.held, pick(a.from, nth))
	if err != nil {
		return nil, err
	}
	c := &conn{Conn: raw, counts: a.counts}
	a.counts.opened.Add(1)
	c.entry = a.ledger.register(netaddr.Of(raw.LocalAddr()), a.counts)
	c.forget = context.AfterFunc(a.held, func() { _ = raw.Close() })
	return c, nil
}

// Write implements io.Writer, and counts.
func (c *conn) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	c.counts.sent.Add(uint64(n))
	return n, err
}

// Read implements io.Reader, and counts.
func (c *conn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.counts.received.Add(uint64(n))
	return n, err
}

// Close implements io.Closer.
func (c *conn) Close() error {
	c.forget()
	return c.Conn.Close()
}

// over reports whether the node has reported the end of the connection.
func (c *conn) over() bool {
	select {
	case <-c.entry.ended:
		return true
	default:
		return false
	}
}

// await waits until the node reports the end of the connection, or has had its time.
func (a *Attacker) await(c *conn) {
	select {
	case <-c.entry.ended:
	case <-a.held.Done():
	}
}

// link is a session of an attacker with the node.
type link struct {
	*session
	conn *conn
}

// link makes a link, as an honest node does, from the attacker's nth source address.
func (a *Attacker) link(nth int, key *ecdsa.PrivateKey) (*link, error) {
	c, err := a.dial(nth)
	if err != nil {
		return nil, err
	}
	s, err := newSession(c, key, a.node.Node.Pubkey(), a.node.speak())
	if err != nil {
		_ = c.Close()
		return nil, err
	}
	return &link{s, c}, nil
}

// drain reads and discards what the node sends, in a goroutine, until the connection ends.
func (a *Attacker) drain(l *link) {
	a.work.Go(func() {
		buf := make([]byte, 64<<10)
		for {
			if _, err := l.conn.Read(buf); err != nil {
				return
			}
		}
	})
}

// leave ends a link with a Disconnect, unless the node has ended it, and closes the connection when
// the node has reported the end. A node that does not read ends the link by its own deadlines.
func (a *Attacker) leave(l *link) {
	defer l.conn.Close()
	if !l.conn.over() {
		_ = l.disconnect(wire.DiscRequested) // after an error the node reports the end all the same
	}
	a.await(l.conn)
}

// cap returns the capability of that name, if the node offers it.
func (o *owner) cap(name string) (wire.Cap, bool) {
	for _, c := range o.caps {
		if c.Name == name {
			return c, true
		}
	}
	return wire.Cap{}, false
}

// speak returns the capability that links have: one without a handshake of its own, if there is
// one. bench goes first, because it has requests.
func (o *owner) speak() wire.Cap {
	for _, name := range []string{"bench", "chat"} {
		if c, ok := o.cap(name); ok {
			return c
		}
	}
	if len(o.caps) == 0 {
		return wire.Cap{}
	}
	return o.caps[0]
}

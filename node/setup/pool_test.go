package setup

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"testing"

	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/troupe-p2p/troupe/actors/actortest"
	"github.com/troupe-p2p/troupe/node/nodetest/fixture"
	"github.com/troupe-p2p/troupe/node/refusal"
	"github.com/troupe-p2p/troupe/wire"
)

var errBroken = errors.New("broken")

// TestPoolCrash: a handshake that succeeded while the pool was busy counts as a success, although
// the pool crashes before it handles the result. The connection in whose turn the pool crashes is
// closed, and its credit is given back.
func TestPoolCrash(t *testing.T) {
	busy, crash := make(chan struct{}), make(chan struct{})
	fatal := netip.MustParseAddr("203.0.113.99")
	s := newStage(t, func(c *Config) {
		c.CameIn = func(from netip.Addr) {
			if from == fatal {
				close(busy)
				<-crash
				panic(errBroken)
			}
		}
	})
	good := s.accept("198.51.100.7:4000")
	actortest.Eventually(t, "the handshake is in progress", func() bool { return s.pool.State().Inbound == 1 })
	bad := s.accept("203.0.113.99:4000")
	<-busy
	id, err := s.greet(good)
	if err != nil {
		t.Fatal(err)
	}
	actortest.Eventually(t, "a link", func() bool { return s.pool.Table.Member(id) != nil })
	actortest.Eventually(t, "the result is sent", func() bool { return s.pool.State().Established == 1 })
	close(crash)
	if _, err := bad.Read(make([]byte, 1)); err == nil {
		t.Error("the connection in whose turn the pool crashed is open")
	}
	// The new pool works, and has handled all that came before.
	third, err := s.greet(s.accept("198.51.100.8:4000"))
	if err != nil {
		t.Fatal(err)
	}
	actortest.Eventually(t, "another link", func() bool { return s.pool.Table.Member(third) != nil })
	if st := s.pool.State(); st.Failed != 0 || len(s.failed) > 0 {
		t.Errorf("handshakes failed: %+v", st)
	}
	if n := len(s.pool.Intake.Credits()); n != 0 {
		t.Errorf("%d credits are missing", n)
	}
}

// TestRemovedWhileDialed: the session of a dial to a static node that was removed meanwhile does
// not become a link, also if the dial could not be cancelled in time.
func TestRemovedWhileDialed(t *testing.T) {
	for name, static := range map[string]bool{"removed": false, "static": true} {
		t.Run(name, func(t *testing.T) {
			key := fixture.Key(t)
			target := enode.NewV4(&key.PublicKey, net.IP{198, 51, 100, 7}, 30303, 0)
			dialed := make(chan net.Conn, 1)
			s := newStage(t, nil)
			s.pool.Connector.Dial = func(context.Context, netip.AddrPort) (net.Conn, error) {
				ours, theirs := s.conn("198.51.100.7:30303")
				dialed <- theirs
				return ours, nil
			}
			s.pool.Table.SetStatic(target.ID(), true)
			s.pool.Runtime.Send(s.pool.Intake.Pool, &StartDial{Node: target, Static: true, Ticket: 1})
			theirs := <-dialed
			r, err := wire.AcceptAuth(theirs, key, wire.Options{})
			if err != nil {
				t.Fatal(err)
			}
			s.pool.Table.SetStatic(target.ID(), static)
			h := s.pool.Offer().Hello
			h.ID = wire.PublicID(&key.PublicKey)
			if _, err := r.Welcome(theirs, &h); err != nil {
				t.Fatal(err)
			}
			// The dialer gets what peers decided, not that there was a session.
			if msg := <-s.ended; (msg.Err == nil) != static || !static && !errors.Is(msg.Err, refusal.ErrCancelled) {
				t.Errorf("the dial ended with %v", msg.Err)
			}
			if static {
				if s.pool.Table.Member(target.ID()) == nil {
					t.Error("there is no link")
				}
				return
			}
			if _, err := theirs.Read(make([]byte, 1024)); err != nil { // the reason
				t.Fatal(err)
			}
			theirs.Close()
			if got := <-s.refused; got.ID != target.ID() || !errors.Is(got.Err, refusal.ErrCancelled) {
				t.Errorf("refused %v: %v", got.ID, got.Err)
			}
		})
	}
}

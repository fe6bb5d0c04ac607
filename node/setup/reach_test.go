package setup

import (
	"context"
	"crypto/ecdsa"
	"errors"
	"io"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/ethereum/go-ethereum/p2p/enode"
	"github.com/ethereum/go-ethereum/p2p/enr"

	"github.com/troupe-p2p/troupe/actors/actortest"
	"github.com/troupe-p2p/troupe/node/nodetest/fixture"
	"github.com/troupe-p2p/troupe/node/peers"
	"github.com/troupe-p2p/troupe/node/punch"
	"github.com/troupe-p2p/troupe/node/refusal"
	"github.com/troupe-p2p/troupe/wire"
)

// recordAt signs the record of a node that takes part in hole punching.
func recordAt(t *testing.T, nat punch.NAT, entries ...enr.Entry) (*enode.Node, *ecdsa.PrivateKey) {
	return fixture.Record(t, append(entries, punch.NewEntry(nat), enr.IPv4Addr(netip.MustParseAddr("198.51.100.7")))...)
}

// welcome acts as the remote of a session.
func (s *stage) welcome(conn net.Conn, key *ecdsa.PrivateKey) error {
	r, err := wire.AcceptAuth(conn, key, wire.Options{})
	if err != nil {
		return err
	}
	h := s.pool.Offer().Hello
	h.Name, h.ID = "remote", wire.PublicID(&key.PublicKey)
	_, err = r.Welcome(conn, &h)
	return err
}

// TestDialThroughHole: a node that can't be dialed is called through NATs, and we are the
// RLPx initiator on the connection.
func TestDialThroughHole(t *testing.T) {
	s := newStage(t, nil)
	target, key := recordAt(t, punch.Unknown, enr.TCP(30303))
	s.dial(target)
	ours, theirs := s.hole()
	s.reach(&punch.Reached{ID: target.ID(), Conn: ours})
	if err := s.welcome(theirs, key); err != nil {
		t.Fatal(err)
	}
	if msg := <-s.ended; msg.Err != nil || !msg.Punched || msg.ID != target.ID() || msg.Ticket != 1 {
		t.Errorf("ended with %+v", msg)
	}
	actortest.Eventually(t, "one peer", func() bool { return s.pool.Table.Size() == 1 })
	if m := s.pool.Table.Snapshot()[0]; m.ID != target.ID() || !m.Punched || m.Inbound || m.Addr.String() != "198.51.100.7" {
		t.Errorf("the peer is %+v", m)
	}
}

// TestCallFails: the error has the reasons of the direct dial and of the call, and the node is
// called once.
func TestCallFails(t *testing.T) {
	for name, tt := range map[string]struct {
		answer func(s *stage) *punch.Reached
		want   error
	}{
		"no hole": {func(*stage) *punch.Reached { return &punch.Reached{Err: punch.ErrFiltered} }, punch.ErrFiltered},
		"too late": {func(s *stage) *punch.Reached {
			ours, _ := s.hole()
			ours.Drop()
			return &punch.Reached{Conn: ours}
		}, errTakenTooLate},
		"closed by the remote": {func(s *stage) *punch.Reached {
			ours, theirs := s.hole()
			theirs.Close()
			return &punch.Reached{Conn: ours}
		}, io.ErrClosedPipe},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t, nil)
			target, _ := recordAt(t, punch.Unknown, enr.TCP(30303))
			s.dial(target)
			s.reach(tt.answer(s))
			msg := <-s.ended
			if !errors.Is(msg.Err, tt.want) {
				t.Errorf("ended with %v, want %v", msg.Err, tt.want)
			}
			if unreached := new(refusal.Unreachable); !msg.Punched && (!errors.As(msg.Err, &unreached) || !errors.Is(msg.Err, errNotDialed)) {
				t.Errorf("%v lacks the reason why the direct dial failed", msg.Err)
			}
			if len(s.asked) > 0 {
				t.Error("the node was called twice")
			}
		})
	}
}

// TestCallCancelled: a connection that arrives after the end of its dial is closed.
func TestCallCancelled(t *testing.T) {
	s := newStage(t, nil)
	target, _ := recordAt(t, punch.Unknown, enr.TCP(30303))
	s.dial(target)
	asked := <-s.asked
	s.pool.Runtime.Send(s.pool.Intake.Pool, &CancelDial{Ticket: 1})
	if msg := <-s.ended; !errors.Is(msg.Err, refusal.ErrCancelled) {
		t.Errorf("ended with %v", msg.Err)
	}
	ours, theirs := s.hole()
	s.pool.Runtime.Send(asked.To, &punch.Reached{ID: target.ID(), Conn: ours})
	if _, err := theirs.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("the connection: %v", err)
	}
	s.pool.Runtime.Send(asked.To, &punch.Reached{ID: target.ID(), Err: punch.ErrDown})
}

// TestConnectTimeout: the timeout for connecting is short if the node's record says that it is
// behind a NAT. A node outside the allowed networks is not called.
func TestConnectTimeout(t *testing.T) {
	for name, tt := range map[string]struct {
		nat      punch.NAT
		networks []netip.Prefix
		want     time.Duration
	}{
		"unknown":     {punch.Unknown, nil, ConnectTimeout},
		"no NAT":      {punch.Open, nil, ConnectTimeout},
		"a NAT":       {punch.EndpointIndependent, nil, natConnectTimeout},
		"another NAT": {punch.AddressDependent, nil, natConnectTimeout},
		"not allowed": {punch.AddressDependent, []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			var got time.Duration
			s := newStage(t, func(c *Config) {
				c.Connector.Networks = tt.networks
				c.Connector.Dial = func(ctx context.Context, _ netip.AddrPort) (net.Conn, error) {
					deadline, _ := ctx.Deadline()
					got = time.Until(deadline)
					return nil, errNotDialed
				}
			})
			target, _ := recordAt(t, tt.nat, enr.TCP(30303))
			s.dial(target)
			if tt.networks == nil {
				s.reach(&punch.Reached{ID: target.ID(), Err: punch.ErrBusy})
			}
			<-s.ended
			if got > tt.want || got < tt.want/2 {
				t.Errorf("timeout %v, want %v", got, tt.want)
			}
			if len(s.asked) > 0 {
				t.Error("the node was called")
			}
		})
	}
}

func TestPuncherFor(t *testing.T) {
	p := &Pool{Config: Config{Table: peers.NewTable(enode.ID{}, peers.Limits{}, nil)}}
	takes, _ := recordAt(t, punch.Unknown)
	url, static := fixture.NodeAt(t, "198.51.100.7:30303"), fixture.NodeAt(t, "198.51.100.7:30303")
	p.Table.SetStatic(static.ID(), true)
	if p.puncherFor(takes) != nil {
		t.Error("a node without hole punching has a puncher")
	}
	p.Puncher = &actor.PID{}
	for name, tt := range map[string]struct {
		node *enode.Node
		want bool
	}{"takes part": {takes, true}, "a URL": {url, false}, "a URL of a static node": {static, true}} {
		if got := p.puncherFor(tt.node); (got != nil) != tt.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

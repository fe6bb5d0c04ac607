package node

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
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/p2p/enode"
	"github.com/ethereum/go-ethereum/p2p/enr"

	"github.com/troupe-p2p/troupe/actors/supervise"
	"github.com/troupe-p2p/troupe/node/datadir"
	"github.com/troupe-p2p/troupe/node/nodetest/fixture"
	"github.com/troupe-p2p/troupe/node/punch"
	"github.com/troupe-p2p/troupe/node/refusal"
	"github.com/troupe-p2p/troupe/wire"
)

// recordAt signs the record of a node that takes part in hole punching.
func recordAt(t *testing.T, nat punch.NAT, entries ...enr.Entry) (*enode.Node, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := datadir.FreshKey()
	if err != nil {
		t.Fatal(err)
	}
	n, err := signRecord(key, append(entries, punch.NewEntry(nat), enr.IPv4Addr(netip.MustParseAddr("198.51.100.7"))), 1)
	if err != nil {
		t.Fatal(err)
	}
	return n, key
}

// stage is one handshake of a dial, between a parent and a puncher that the test plays.
type stage struct {
	t       *testing.T
	n       *Node
	h       *hall
	asked   chan *punch.Reach
	done    chan *setupDone
	over    chan struct{} // closes when the parent may stop the actor
	pid     *actor.PID
	puncher *actor.PID
}

func newStage(t *testing.T, edit func(*Config)) *stage {
	s := &stage{t: t, asked: make(chan *punch.Reach, 8), done: make(chan *setupDone, 1), over: make(chan struct{})}
	s.n, s.h = hallNode(t, edit)
	s.puncher = s.n.rt.System.Root.Spawn(actor.PropsFromFunc(func(ctx actor.Context) {
		if msg, ok := ctx.Message().(*punch.Reach); ok {
			s.asked <- msg
		}
	}))
	return s
}

// dial begins a handshake with a node.
func (s *stage) dial(target *enode.Node) {
	parent := s.n.rt.System.Root.Spawn(actor.PropsFromFunc(func(ctx actor.Context) {
		if msg, ok := ctx.Message().(*setupDone); ok {
			supervise.Send(ctx, s.n.peers, &setupEnded{by: msg.by, id: msg.id, err: msg.err})
			s.done <- msg
		}
	}))
	s.pid = s.n.rt.System.Root.Spawn(s.n.rt.Props(func() actor.Actor {
		return &handshake{n: s.n, parent: parent, target: target, id: target.ID(), puncher: s.puncher}
	}))
	s.t.Cleanup(func() {
		for _, pid := range []*actor.PID{s.pid, parent, s.puncher} {
			if err := s.n.rt.System.Root.StopFuture(pid).Wait(); err != nil {
				s.t.Error(err)
			}
		}
	})
}

// answer plays the puncher.
func (s *stage) answer(r *punch.Reached) { supervise.Send(s.n.rt.System.Root, (<-s.asked).To, r) }

// hole gives both ends of a connection through NATs, ours on its way.
func (s *stage) hole() (ours *punch.Handover, theirs net.Conn) {
	conn, theirs := s.h.conn(s.t, "198.51.100.7:4000")
	return punch.NewHandover(s.n.rt.Clock, conn), theirs
}

// welcome plays the remote of a session.
func welcome(conn net.Conn, key *ecdsa.PrivateKey, n *Node) error {
	r, err := wire.AcceptAuth(conn, key, wire.Options{})
	if err != nil {
		return err
	}
	_, err = r.Welcome(conn, &wire.Hello{
		Version: wire.BaseVersion, Name: "remote", Caps: n.offer.Load().Hello.Caps,
		ID: [64]byte(crypto.FromECDSAPub(&key.PublicKey)[1:]),
	})
	return err
}

// TestDialThroughHole: the node is called because it can't be dialed, and we are the
// initiator on what comes of it.
func TestDialThroughHole(t *testing.T) {
	s := newStage(t, nil)
	target, key := recordAt(t, punch.Unknown, enr.TCP(30303))
	s.dial(target)
	ours, theirs := s.hole()
	s.answer(&punch.Reached{ID: target.ID(), Conn: ours})
	if err := welcome(theirs, key, s.n); err != nil {
		t.Fatal(err)
	}
	if msg := <-s.done; msg.err != nil || !msg.punched || msg.id != target.ID() {
		t.Errorf("ended with %v, punched %v", msg.err, msg.punched)
	}
	within(t, "a peer", func() bool { return s.n.PeerCount() == 1 })
	if p := s.n.Peers()[0]; p.ID != target.ID() || !p.Punched || p.Inbound || p.RemoteAddr.String() != "198.51.100.7:4000" {
		t.Errorf("the peer is %+v", p)
	}
}

// TestCallInVain: the reasons of both ways are told, and nobody is called twice.
func TestCallInVain(t *testing.T) {
	for name, tt := range map[string]struct {
		answer func(s *stage) *punch.Reached
		want   error
	}{
		"no hole": {func(*stage) *punch.Reached { return &punch.Reached{Err: punch.ErrFiltered} }, punch.ErrFiltered},
		"too late": {func(s *stage) *punch.Reached {
			ours, _ := s.hole()
			ours.Drop()
			return &punch.Reached{Conn: ours}
		}, errLate},
		"nobody there": {func(s *stage) *punch.Reached {
			ours, theirs := s.hole()
			theirs.Close()
			return &punch.Reached{Conn: ours}
		}, io.ErrClosedPipe},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t, nil)
			target, _ := recordAt(t, punch.Unknown, enr.TCP(30303))
			s.dial(target)
			s.answer(tt.answer(s))
			msg := <-s.done
			if !errors.Is(msg.err, tt.want) {
				t.Errorf("ended with %v, want %v", msg.err, tt.want)
			}
			if unreached := new(refusal.Unreachable); !msg.punched && (!errors.As(msg.err, &unreached) || !errors.Is(msg.err, errUndialed)) {
				t.Errorf("%v does not say why it could not be dialed", msg.err)
			}
			if len(s.asked) > 0 {
				t.Error("it was called twice")
			}
		})
	}
}

// TestCallGivenUp: a connection that comes when the dial is over is closed.
func TestCallGivenUp(t *testing.T) {
	s := newStage(t, nil)
	target, _ := recordAt(t, punch.Unknown, enr.TCP(30303))
	s.dial(target)
	asked := <-s.asked
	supervise.Send(s.n.rt.System.Root, s.pid, &giveUp{err: refusal.ErrCancelled})
	if msg := <-s.done; !errors.Is(msg.err, refusal.ErrCancelled) {
		t.Errorf("ended with %v", msg.err)
	}
	ours, theirs := s.hole()
	supervise.Send(s.n.rt.System.Root, asked.To, &punch.Reached{ID: target.ID(), Conn: ours})
	if _, err := theirs.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("the connection: %v", err)
	}
	supervise.Send(s.n.rt.System.Root, asked.To, &punch.Reached{ID: target.ID(), Err: punch.ErrDown})
}

// TestTimeToConnect: who says that a NAT is in the way is not waited for long. Who is outside
// the networks is not called.
func TestTimeToConnect(t *testing.T) {
	for name, tt := range map[string]struct {
		nat      punch.NAT
		networks []netip.Prefix
		want     time.Duration
	}{
		"nothing known": {punch.Unknown, nil, connectTimeout},
		"no NAT":        {punch.Open, nil, connectTimeout},
		"a NAT":         {punch.EndpointIndependent, nil, directTime},
		"another":       {punch.AddressDependent, nil, directTime},
		"not to be called": {
			punch.AddressDependent, []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}, 0,
		},
	} {
		t.Run(name, func(t *testing.T) {
			var got time.Duration
			s := newStage(t, func(c *Config) {
				c.NetRestrict = tt.networks
				c.Dial = func(ctx context.Context, _ netip.AddrPort) (net.Conn, error) {
					deadline, _ := ctx.Deadline()
					got = time.Until(deadline)
					return nil, errUndialed
				}
			})
			target, _ := recordAt(t, tt.nat, enr.TCP(30303))
			s.dial(target)
			if tt.networks == nil {
				s.answer(&punch.Reached{ID: target.ID(), Err: punch.ErrBusy})
			}
			<-s.done
			if got > tt.want || got < tt.want/2 {
				t.Errorf("%v to connect, want %v", got, tt.want)
			}
			if len(s.asked) > 0 {
				t.Error("it was called")
			}
		})
	}
}

func TestCallerFor(t *testing.T) {
	n := &Node{door: &door{}, roster: newRoster(enode.ID{}, limits{}), puncher: &actor.PID{}}
	takes, _ := recordAt(t, punch.Unknown)
	url := fixture.NodeAt(t, "198.51.100.7:30303")
	wanted := fixture.NodeAt(t, "198.51.100.7:30303")
	n.roster.setStatic(wanted.ID(), true)
	if n.callerFor(takes) != nil {
		t.Error("a node without hole punching calls")
	}
	n.desk = punch.New(punch.Config{})
	for name, tt := range map[string]struct {
		node *enode.Node
		want bool
	}{"takes part": {takes, true}, "a URL": {url, false}, "a URL of the operator's": {wanted, true}} {
		if got := n.callerFor(tt.node); (got != nil) != tt.want {
			t.Errorf("%s: %v", name, got)
		}
	}
	n.door = nil
	if n.callerFor(takes) != nil {
		t.Error("a node without a door calls")
	}
}

package setup

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"testing"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/troupe-p2p/troupe/actors"
	"github.com/troupe-p2p/troupe/actors/actortest"
	"github.com/troupe-p2p/troupe/actors/supervise"
	"github.com/troupe-p2p/troupe/node/bans"
	"github.com/troupe-p2p/troupe/node/nodetest/fixture"
	"github.com/troupe-p2p/troupe/node/offer"
	"github.com/troupe-p2p/troupe/node/peers"
	"github.com/troupe-p2p/troupe/node/punch"
	"github.com/troupe-p2p/troupe/protocols"
	"github.com/troupe-p2p/troupe/wire"
)

var errNotDialed = errors.New("the test dials no node directly")

// stage is a pool actor with a real peers actor. The test acts as the listener, the dialer and
// the puncher.
type stage struct {
	t    *testing.T
	pool *Pool

	ended   chan *peers.SetupEnded // of dials
	failed  chan Failure
	cameIn  chan netip.Addr
	refused chan peers.Refused // sessions
	asked   chan *punch.Reach
	port    *punch.ListenPort
}

// newStage runs a pool actor until the test ends.
func newStage(t *testing.T, edit func(*Config)) *stage {
	t.Helper()
	s := &stage{
		t: t, ended: make(chan *peers.SetupEnded, 8), failed: make(chan Failure, 64), cameIn: make(chan netip.Addr, 64),
		refused: make(chan peers.Refused, 64), asked: make(chan *punch.Reach, 8),
	}
	system := actortest.NewSystem()
	rt := supervise.Runtime{System: system, Dispatcher: supervise.NewDispatcher(), Journal: supervise.NewJournal(nil), Clock: supervise.SystemClock}
	key := fixture.Key(t)
	mounted, err := protocols.Mount(protocols.Spec{
		Name: "greet", Versions: []protocols.Version{{Number: 1, Length: 1}},
		New: func() actor.Actor { return actor.ReceiveFunc(func(actor.Context) {}) },
	})
	if err != nil {
		t.Fatal(err)
	}
	offered, err := offer.New(key, "stage", 30303, mounted)
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	ledger := bans.NewLedger(rt.Clock)
	table := peers.NewTable(fixture.ID(key), peers.Limits{Peers: 50}, ledger.Check)
	dialer := system.Root.Spawn(actor.PropsFromFunc(func(ctx actor.Context) {
		if msg, ok := ctx.Message().(*peers.SetupEnded); ok {
			s.ended <- msg
		}
	}))
	puncher := system.Root.Spawn(actor.PropsFromFunc(func(ctx actor.Context) {
		if msg, ok := ctx.Message().(*punch.Reach); ok {
			s.asked <- msg
		}
	}))
	owner := system.Root.Spawn(peers.Props(peers.Config{
		Runtime: rt, Table: table, Ledger: ledger, Offer: func() *offer.Offer { return offered },
		Pool: actors.NewPool(1 << 20), Feed: actors.NewFeed(), Dialer: dialer, Bans: dialer,
		Added: func(*peers.Member) {}, Dropped: func(*peers.Member, *actors.Cause) {}, Refused: func(r peers.Refused) { s.refused <- r },
		ServiceUnused: func(*actor.PID) {}, Rand: func() float64 { return 0 }, Logger: log,
	}))
	s.port = punch.NewListenPort(punch.ListenPortConfig{Clock: rt.Clock})
	c := Config{
		Runtime: rt, Key: key, MaxPending: 50, Table: table, Ledger: ledger, Offer: func() *offer.Offer { return offered },
		Intake: NewIntake(rt, table, system.NewLocalPID("pool")), Peers: owner, Puncher: puncher, Announced: s.port.Announced,
		Connector: &Connector{Dial: func(context.Context, netip.AddrPort) (net.Conn, error) { return nil, errNotDialed }},
		CameIn:    func(from netip.Addr) { s.cameIn <- from },
		Failed:    func(f Failure) { s.failed <- f },
		Logger:    log,
	}
	if edit != nil {
		edit(&c)
	}
	s.pool = New(c)
	pool, err := system.Root.SpawnNamed(s.pool.Props(), "pool")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		table.Close()
		system.Root.Send(pool, &Drain{})
		s.gone(pool)
		system.Root.Send(owner, &peers.Drain{})
		s.gone(owner)
		for _, pid := range []*actor.PID{dialer, puncher} {
			system.Root.Stop(pid)
			s.gone(pid)
		}
		rt.Dispatcher.Close()
		system.Shutdown()
	})
	return s
}

func (s *stage) gone(pid *actor.PID) {
	actortest.Eventually(s.t, pid.Id+" has stopped", func() bool {
		_, ok := s.pool.Runtime.System.ProcessRegistry.GetLocal(pid.Id)
		return !ok
	})
}

// placedConn is a net.Pipe with addresses.
type placedConn struct {
	net.Conn
	remote netip.AddrPort
}

func (c placedConn) LocalAddr() net.Addr {
	return net.TCPAddrFromAddrPort(netip.MustParseAddrPort("203.0.113.1:30303"))
}
func (c placedConn) RemoteAddr() net.Addr { return net.TCPAddrFromAddrPort(c.remote) }

// conn makes both ends of a connection from an address.
func (s *stage) conn(from string) (ours, theirs net.Conn) {
	ours, theirs = net.Pipe()
	s.t.Cleanup(func() { theirs.Close() })
	return placedConn{ours, netip.MustParseAddrPort(from)}, theirs
}

// accept acts as the listener. It returns the remote's end.
func (s *stage) accept(from string) net.Conn {
	ours, theirs := s.conn(from)
	s.pool.Intake.Credits() <- struct{}{}
	s.pool.Intake.Accept(ours)
	return theirs
}

// callIn acts as the puncher with the connection of a node that called.
func (s *stage) callIn(from string) net.Conn {
	ours, theirs := s.conn(from)
	s.pool.Intake.AcceptPunched(ours)
	return theirs
}

// dial acts as the dialer.
func (s *stage) dial(target *enode.Node) {
	s.pool.Runtime.Send(s.pool.Intake.Pool, &StartDial{Node: target, Ticket: 1})
}

// reach sends the puncher's answer to a Reach.
func (s *stage) reach(r *punch.Reached) { s.pool.Runtime.Send((<-s.asked).To, r) }

// hole makes both ends of a connection through NATs.
func (s *stage) hole() (ours *punch.Handover, theirs net.Conn) {
	conn, theirs := s.conn("198.51.100.7:4000")
	return punch.NewHandover(s.pool.Runtime.Clock, conn), theirs
}

// greet makes a session with the pool, as a node that offers the same protocol.
func (s *stage) greet(conn net.Conn) (id enode.ID, err error) {
	key := fixture.Key(s.t)
	h := s.pool.Offer().Hello
	h.Name, h.ID = "remote", wire.PublicID(&key.PublicKey)
	_, err = wire.Dial(conn, key, &s.pool.Key.PublicKey, &h, wire.Options{})
	return fixture.ID(key), err
}

// failure waits for the next failure.
func (s *stage) failure() Failure { return <-s.failed }

package actors

import (
	"crypto/ecdsa"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/troupe-p2p/troupe/actors/actortest"
	"github.com/troupe-p2p/troupe/actors/supervise"
	"github.com/troupe-p2p/troupe/wire"
)

// node is one side of a connection with links: an owner actor, like a node's peers actor, and the
// messages that it received.
type node struct {
	t          testing.TB
	key        *ecdsa.PrivateKey
	system     *actor.ActorSystem
	pid        *actor.PID // the owner
	book       *actortest.Steps
	pool       *Pool
	feed       *Feed
	clock      supervise.Clock
	watch      *supervise.Watch
	dispatcher actor.Dispatcher

	ended     chan *LinkEnded
	gone      chan *actor.PID // peers that have terminated
	announced atomic.Int64    // number of LinkEnded received
}

// newNode makes a node that checks at the end of the test that its links left nothing behind: no
// actor, no buffer, no charged memory. TestMain and synctest check goroutines.
func newNode(t testing.TB) *node {
	t.Helper()
	noBuffersLost(t)
	key, err := crypto.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	n := &node{
		t: t, key: key, system: actortest.NewSystem(), book: new(actortest.Steps), pool: NewPool(DefaultPool),
		ended: make(chan *LinkEnded, 1000), gone: make(chan *actor.PID, 1000),
	}
	props := supervise.PropsOf(func() actor.Actor { return owner{n} }, n.book.Journal())
	if n.pid, err = n.system.Root.SpawnNamed(props, "node"); err != nil {
		t.Fatal(err)
	}
	actors := n.actors()
	t.Cleanup(func() {
		becomesZero(t, "actors left over", func() int64 { return int64(n.actors() - actors) })
		becomesZero(t, "bytes of the pool still charged", n.pool.Used)
		stopped := make(chan struct{})
		n.system.Root.Send(n.pid, func(ctx actor.Context) { ctx.Stop(ctx.Self()); close(stopped) })
		<-stopped
	})
	return n
}

func (n *node) actors() (count int) {
	for _, m := range n.system.ProcessRegistry.LocalPIDs.LocalPIDs {
		count += m.Count()
	}
	return count
}

// owner is the actor that spawns links.
type owner struct{ *node }

func (o owner) Receive(ctx actor.Context) {
	switch msg := ctx.Message().(type) {
	case func(actor.Context):
		msg(ctx)
	case *LinkEnded:
		o.announced.Add(1)
		o.ended <- msg
	case *actor.Terminated:
		o.gone <- msg.Who
	}
}

// spawn starts a link of this node and ends it when the test is over.
func (n *node) spawn(conn net.Conn, s *wire.Session, inbound bool, protocols []Protocol) *Link {
	n.t.Helper()
	made := make(chan any, 1)
	n.system.Root.Send(n.pid, func(ctx actor.Context) {
		l, err := NewLinks(Common{
			System: n.system, Pool: n.pool, Journal: n.book.Journal(), Feed: n.feed, Clock: n.clock, Watch: n.watch, Dispatcher: n.dispatcher,
		}).Spawn(ctx, Config{Name: "peer", Conn: conn, Session: s, Protocols: protocols, Inbound: inbound})
		if err != nil {
			made <- err
			return
		}
		made <- l
	})
	l, ok := (<-made).(*Link)
	if !ok {
		n.t.Fatal("the link could not be spawned")
	}
	// The reader is the last child to be spawned.
	actortest.Eventually(n.t, "the link's children are running", func() bool {
		return n.hasActor(l.PID().Id+"/"+readerName) || l.Cause() != nil
	})
	n.t.Cleanup(func() {
		l.Disconnect(wire.DiscQuitting, nil)
		n.waitGone(l)
	})
	return l
}

// waitGone waits until the actors of a link have terminated.
func (n *node) waitGone(l *Link) {
	n.t.Helper()
	limit := time.After(time.Minute)
	for n.hasActor(l.PID().Id) {
		select {
		case <-n.gone:
		case <-limit:
			n.t.Fatalf("the actors of %s do not stop; cause: %v", l.PID().Id, l.Cause())
		}
	}
}

func (n *node) hasActor(id string) bool {
	_, ok := n.system.ProcessRegistry.GetLocal(id)
	return ok
}

// wait returns the end of a link, which must come within a minute.
func (n *node) wait() *LinkEnded {
	n.t.Helper()
	select {
	case e := <-n.ended:
		return e
	case <-time.After(time.Minute):
		n.t.Fatal("the link has not ended within a minute")
		return nil
	}
}

func (n *node) hello(caps []wire.Cap) *wire.Hello {
	return &wire.Hello{
		Version: wire.BaseVersion, Name: "test", Caps: caps,
		ID: [64]byte(crypto.FromECDSAPub(&n.key.PublicKey)[1:]),
	}
}

func capsOf(protocols []Protocol) []wire.Cap {
	caps := make([]wire.Cap, len(protocols))
	for i, p := range protocols {
		caps[i] = p.Cap()
	}
	return caps
}

// shake makes the sessions of both ends by a real handshake; a dials.
func shake(t testing.TB, a, b *node, connA, connB net.Conn, capsA, capsB []wire.Cap) (sa, sb *wire.Session) {
	t.Helper()
	type result struct {
		s   *wire.Session
		err error
	}
	accepted := make(chan result, 1)
	go func() {
		r, err := wire.AcceptAuth(connB, b.key, wire.Options{})
		if err != nil {
			accepted <- result{nil, err}
			return
		}
		s, err := r.Welcome(connB, b.hello(capsB))
		accepted <- result{s, err}
	}()
	sa, err := wire.Dial(connA, a.key, &b.key.PublicKey, a.hello(capsA), wire.Options{})
	if err != nil {
		t.Fatal(err)
	}
	r := <-accepted
	if r.err != nil {
		t.Fatal(r.err)
	}
	return sa, r.s
}

// rig is two nodes with a link between them; a has dialed.
type rig struct {
	a, b         *node
	la, lb       *Link
	connA, connB *memConn // nil over TCP
}

// connect links two nodes in memory.
func connect(t testing.TB, protocolsA, protocolsB []Protocol) *rig {
	t.Helper()
	r := &rig{a: newNode(t), b: newNode(t)}
	r.connA, r.connB = memPipe(64 << 10)
	sa, sb := shake(t, r.a, r.b, r.connA, r.connB, capsOf(protocolsA), capsOf(protocolsB))
	r.lb = r.b.spawn(r.connB, sb, true, protocolsB)
	r.la = r.a.spawn(r.connA, sa, false, protocolsA)
	return r
}

// connectTCP links two nodes over the loopback interface.
func connectTCP(t testing.TB, protocolsA, protocolsB []Protocol) *rig {
	t.Helper()
	r, _ := link(t, newNode(t), newNode(t), protocolsA, protocolsB)
	return r
}

// link makes one more link between two nodes, over the loopback interface.
func link(t testing.TB, a, b *node, protocolsA, protocolsB []Protocol) (r *rig, connB net.Conn) {
	t.Helper()
	connA, connB := tcpPipe(t)
	sa, sb := shake(t, a, b, connA, connB, capsOf(protocolsA), capsOf(protocolsB))
	r = &rig{a: a, b: b}
	r.lb = b.spawn(connB, sb, true, protocolsB)
	r.la = a.spawn(connA, sa, false, protocolsA)
	return r, connB
}

// peerOf makes a second peer for r's link, of which a test calls methods. It has no children.
func peerOf(r *remote) *peer {
	p := &peer{stage: &stage{owner: r.node.pid}, link: r.link, hosts: make([]*actor.PID, len(r.link.hosts))}
	p.Supervisor = *supervise.NewSupervisor(r.link.clock, r.link.journal, p)
	p.tokens.writer = &frameWriter{link: r.link}
	return p
}

//go:build unix

package protocols_test

import (
	"io"
	"log/slog"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/troupe-p2p/troupe/actors"
	"github.com/troupe-p2p/troupe/actors/supervise"
	"github.com/troupe-p2p/troupe/node/nodetest/fixture"
	"github.com/troupe-p2p/troupe/protocols"
	"github.com/troupe-p2p/troupe/protocols/protocoltest"
	"github.com/troupe-p2p/troupe/wire"
)

// neighbours is a link in memory on which two protocols run: busy, whose throughput is measured,
// and faulty, whose actor at B crashes or stalls as a test requests.
type neighbours struct {
	root               *actor.RootContext
	busyAtA, faultyAtA *protocols.Link
	faultyAtB          *protocols.Link
	drained            chan struct{} // closes when busy at A has room again

	arrived atomic.Int64 // messages of busy at B
	goal    atomic.Int64
	reached chan struct{}

	incarnations chan struct{}      // has one element for each incarnation of faulty at B
	hang         chan chan struct{} // faulty at B hangs until that channel closes
}

// stalls, like panics, is a request to faulty.
const stalls = 1002

// newNeighbours makes the link. Its actors log as in a node, as JSON, but the output is
// discarded.
func newNeighbours(tb testing.TB) *neighbours {
	tb.Helper()
	n := &neighbours{
		drained: make(chan struct{}, 1), reached: make(chan struct{}, 1),
		incarnations: make(chan struct{}, 1), hang: make(chan chan struct{}, 1),
	}
	specsA := []protocols.Spec{named("busy", n.sender), named("faulty", idle)}
	specsB := []protocols.Spec{named("busy", n.receiver), named("faulty", n.patient)}
	a, b := mountedOffers(tb, specsA), mountedOffers(tb, specsB)
	connA, connB := protocoltest.Pipe(0)
	sessionA, sessionB, err := meetBoth(connA, connB, fixture.Key(tb), fixture.Key(tb), a[0].Cap(), a[1].Cap())
	if err != nil {
		tb.Fatal(err)
	}
	system := supervise.NewSystem(
		actor.WithDeadLetterThrottleInterval(time.Nanosecond), // its goroutine would otherwise outlive the test
		actor.WithLoggerFactory(func(*actor.ActorSystem) *slog.Logger { return slog.New(slog.DiscardHandler) }))
	n.root = system.Root
	linkA := startLink(tb, system, connA, sessionA, a)
	linkB := startLink(tb, system, connB, sessionB, b)
	n.busyAtA = linkA.Host("busy").Attached().(*protocols.Link)
	n.faultyAtA = linkA.Host("faulty").Attached().(*protocols.Link)
	n.faultyAtB = linkB.Host("faulty").Attached().(*protocols.Link)
	n.awaitIncarnation()
	return n
}

func named(name string, act func(actor.Context, *protocols.Link)) protocols.Spec {
	s := talk(act)
	s.Name = name
	return s
}

func mountedOffers(tb testing.TB, specs []protocols.Spec) (offers []actors.Protocol) {
	tb.Helper()
	mounted, err := protocols.Mount(specs...)
	if err != nil {
		tb.Fatal(err)
	}
	for _, m := range mounted {
		offers = append(offers, m.Offers...)
	}
	return offers
}

// startLink runs one end of a link until the test ends.
func startLink(tb testing.TB, system *actor.ActorSystem, conn net.Conn, session *wire.Session, offers []actors.Protocol) *actors.Link {
	tb.Helper()
	journal := supervise.NewJournal(slog.New(slog.NewJSONHandler(io.Discard, nil)))
	started, gone := make(chan error, 1), make(chan struct{})
	var link *actors.Link
	owner := system.Root.Spawn(actor.PropsFromFunc(func(ctx actor.Context) {
		switch ctx.Message().(type) {
		case *actor.Started:
			var err error
			link, err = actors.NewLinks(actors.Common{System: system, Journal: journal}).Spawn(ctx, actors.Config{
				Name: "peer", Conn: conn, Session: session, Protocols: offers,
			})
			started <- err
		case *actor.Terminated:
			close(gone)
		}
	}))
	if err := <-started; err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		link.Disconnect(protocols.DiscQuitting, nil)
		<-gone
		if err := system.Root.StopFuture(owner).Wait(); err != nil {
			tb.Error(err)
		}
	})
	return link
}

func (n *neighbours) sender(ctx actor.Context, _ *protocols.Link) {
	if _, ok := ctx.Message().(*protocols.Drained); ok {
		n.drained <- struct{}{}
	}
}

func (n *neighbours) receiver(ctx actor.Context, _ *protocols.Link) {
	if !protocols.ReceivedAt(ctx).IsZero() && n.arrived.Add(1) == n.goal.Load() {
		n.reached <- struct{}{}
	}
}

func (n *neighbours) patient(ctx actor.Context, link *protocols.Link) {
	switch msg := ctx.Message().(type) {
	case *protocols.LinkUp:
		n.incarnations <- struct{}{}
	case *ask:
		if msg.N == stalls {
			<-<-n.hang
			return
		}
		fragile(ctx, link)
	}
}

// awaitIncarnation waits for an incarnation of faulty at B, or for the link's end.
func (n *neighbours) awaitIncarnation() {
	select {
	case <-n.incarnations:
	case <-n.faultyAtB.Context().Done():
	}
}

// round sends that many messages by busy, and returns the time until all have arrived.
func (n *neighbours) round(tb testing.TB, messages int, msg any) time.Duration {
	tb.Helper()
	n.arrived.Store(0)
	n.goal.Store(int64(messages))
	begin := time.Now()
	for sent := 0; sent < messages; {
		switch err := n.busyAtA.Send(msg); err {
		case nil:
			sent++
		case protocols.ErrOutboxFull:
			<-n.drained
		default:
			tb.Fatal(err)
		}
	}
	<-n.reached
	return time.Since(begin)
}

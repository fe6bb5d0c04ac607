package protocols_test

import (
	"crypto/ecdsa"
	"errors"
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

// fan is many links of one node whose remotes cost nothing: what is written to them is counted
// and dropped, so that a benchmark measures the sender's work only.
type fan struct {
	links []*protocols.Link

	written atomic.Int64
	goal    atomic.Int64
	reached chan struct{}
}

// sink is the node's end of one of these links.
type sink struct {
	net.Conn
	fan *fan
}

func (s *sink) Write(p []byte) (int, error) {
	if s.fan.written.Add(int64(len(p))) >= s.fan.goal.Load() {
		select {
		case s.fan.reached <- struct{}{}:
		default:
		}
	}
	return len(p), nil
}

// newFan makes n links that speak the spec's only version.
func newFan(tb testing.TB, n int, spec protocols.Spec) *fan {
	tb.Helper()
	mounted, err := protocols.Mount(spec)
	if err != nil {
		tb.Fatal(err)
	}
	f := &fan{reached: make(chan struct{}, 1)}
	f.goal.Store(1 << 62)
	system := supervise.NewSystem(
		actor.WithDeadLetterThrottleInterval(time.Nanosecond), // its goroutine would otherwise outlive the test
		actor.WithLoggerFactory(func(*actor.ActorSystem) *slog.Logger { return slog.New(slog.DiscardHandler) }))
	ourKey, theirKey := fixture.Key(tb), fixture.Key(tb)
	links := actors.NewLinks(actors.Common{System: system})
	for range n {
		ours, theirs := protocoltest.Pipe(4 << 10)
		session, err := meet(ours, theirs, ourKey, theirKey, mounted[0].Offers[0].Cap())
		if err != nil {
			tb.Fatal(err)
		}
		started := make(chan error, 1)
		var link *actors.Link
		gone := make(chan struct{})
		owner := system.Root.Spawn(actor.PropsFromFunc(func(ctx actor.Context) {
			switch ctx.Message().(type) {
			case *actor.Started:
				var err error
				link, err = links.Spawn(ctx, actors.Config{
					Name: "peer", Conn: &sink{ours, f}, Session: session, Protocols: mounted[0].Offers,
				})
				started <- err
			case *actor.Terminated:
				close(gone)
			}
		}))
		if err := <-started; err != nil {
			tb.Fatal(err)
		}
		f.links = append(f.links, link.Host(spec.Name).Attached().(*protocols.Link))
		tb.Cleanup(func() {
			link.Disconnect(protocols.DiscQuitting, nil)
			if err := theirs.Close(); err != nil {
				tb.Error(err)
			}
			<-gone
			if err := system.Root.StopFuture(owner).Wait(); err != nil {
				tb.Error(err)
			}
		})
	}
	return f
}

func helloOf(key *ecdsa.PrivateKey, caps ...wire.Cap) *wire.Hello {
	return &wire.Hello{Version: wire.BaseVersion, Name: "fan", ID: fixture.HelloID(key), Caps: caps}
}

// meet makes the session of one link with one protocol.
func meet(ours, theirs net.Conn, ourKey, theirKey *ecdsa.PrivateKey, c wire.Cap) (*wire.Session, error) {
	session, _, err := meetBoth(ours, theirs, ourKey, theirKey, c)
	return session, err
}

// meetBoth makes both ends of a session, for links with several protocols.
func meetBoth(ours, theirs net.Conn, ourKey, theirKey *ecdsa.PrivateKey, caps ...wire.Cap) (a, b *wire.Session, err error) {
	welcomed := make(chan error, 1)
	go func() {
		auth, err := wire.AcceptAuth(theirs, theirKey, wire.Options{})
		if err == nil {
			b, err = auth.Welcome(theirs, helloOf(theirKey, caps...))
		}
		welcomed <- err
	}()
	a, err = wire.Dial(ours, ourKey, &theirKey.PublicKey, helloOf(ourKey, caps...), wire.Options{})
	return a, b, errors.Join(err, <-welcomed)
}

// await prepares to wait until that many bytes are written.
func (f *fan) await(bytes int64) (reached <-chan struct{}) {
	select {
	case <-f.reached:
	default:
	}
	f.written.Store(0)
	f.goal.Store(bytes)
	return f.reached
}

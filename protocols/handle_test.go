package protocols_test

import (
	"context"
	"iter"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/troupe-p2p/troupe/protocols"
	"github.com/troupe-p2p/troupe/protocols/protocoltest"
)

// keepLinks is a service that reports the links it receives.
type keepLinks struct{ joined, left chan *protocols.Link }

func (k *keepLinks) Receive(ctx actor.Context) {
	switch msg := ctx.Message().(type) {
	case *protocols.LinkJoined:
		k.joined <- msg.Link
	case *protocols.LinkLeft:
		k.left <- msg.Link
	}
}

// TestSharedHandle: a link has one shared handle for its whole life, and all code except the
// link's actor gets it.
func TestSharedHandle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		own, info := make(chan *protocols.Link, 2), make(chan *protocols.Link, 1)
		service := &keepLinks{joined: make(chan *protocols.Link, 2), left: make(chan *protocols.Link, 1)}
		spec := talk(func(ctx actor.Context, link *protocols.Link) {
			if up, ok := ctx.Message().(*protocols.LinkUp); ok {
				own <- up.Link
			}
		})
		spec.Service = func() actor.Actor { return service }
		spec.PeerInfo = func(l *protocols.Link) any { info <- l; return "info" }
		remote := byHand()
		p := protocoltest.NewPair(t, spec, remote)
		first := <-own
		shared := first.Shared()
		if shared == first || shared.Shared() != shared {
			t.Error("the shared handle is the own one, or its Shared is another handle")
		}
		p.A.Crash()
		p.A.CrashService()
		_ = p.A.PeerInfo()
		for name, got := range map[string]*protocols.Link{
			"of the actor after a crash": (<-own).Shared(), "of the test": p.A.Link, "of PeerInfo": <-info,
			"of the service": <-service.joined, "of the service after a crash": <-service.joined,
		} {
			if got != shared {
				t.Errorf("the handle %s is not the shared handle", name)
			}
		}
		protocols.State[text](first).S = "kept"
		if s := protocols.State[text](shared); s.S != "kept" {
			t.Errorf("through the shared handle the state is %+v", s)
		}
		if shared.Self() != first.Self() || shared.Service() != first.Service() || shared.Context() != first.Context() ||
			shared.Name() != first.Name() || shared.Version() != first.Version() || shared.Peer().ID != first.Peer().ID {
			t.Error("the handles return different facts about the link")
		}
		p.B.Disconnect(protocols.DiscRequested)
		if got := <-service.left; got != shared {
			t.Error("LinkLeft has another handle")
		}
	})
}

// TestRunHasTheSharedHandle: blocking code runs beside the link's actor, so it gets the shared
// handle.
func TestRunHasTheSharedHandle(t *testing.T) {
	links := make(chan *protocols.Link, 1)
	spec := protocols.FromRun(talk(idle), func(ctx context.Context, rw *protocols.ReadWriter) error {
		links <- rw.Link()
		<-ctx.Done()
		return nil
	})
	p := protocoltest.NewPair(t, spec, byHand())
	if got := next(t, links, p.A); got != p.A.Link || got != got.Shared() {
		t.Error("a ReadWriter's link is not the shared handle")
	}
}

// TestR2OwnHandleAnswers: of two messages that arrived in one read, the second is delivered at
// once unless the first caused answers above high water. Answers are what the own handle sends in
// the link's turn, and nothing else.
func TestR2OwnHandleAnswers(t *testing.T) {
	big := &text{B: noise(200 << 10)}
	encoded, err := protocols.Encode(big)
	if err != nil {
		t.Fatal(err)
	}
	only := func(l *protocols.Link) iter.Seq[*protocols.Link] { return slices.Values([]*protocols.Link{l}) }
	broadcast := func(l *protocols.Link) error {
		d, err := protocols.Broadcast(only(l), big, protocols.Drop)
		if err == nil && d.Queued != 1 {
			err = protocols.ErrOutboxFull
		}
		return err
	}
	for _, tt := range []struct {
		name    string
		send    func(*protocols.Link) error
		answers bool
	}{
		{"Send", func(l *protocols.Link) error { return l.Send(big) }, true},
		{"Send of an Encoded", func(l *protocols.Link) error { return l.Send(encoded) }, true},
		{"Send by the shared handle", func(l *protocols.Link) error { return l.Shared().Send(big) }, false},
		{"Send of an Encoded by the shared handle", func(l *protocols.Link) error { return l.Shared().Send(encoded) }, false},
		{"Broadcast", broadcast, false},
		{"Send on another goroutine", func(l *protocols.Link) error {
			sent := make(chan error)
			l.Go(func() { sent <- l.Send(big) })
			return <-sent
		}, true}, // documented: goroutines must use the shared handle
		{"Send by the shared handle on another goroutine", func(l *protocols.Link) error {
			sent := make(chan error)
			l.Go(func() { sent <- l.Shared().Send(big) })
			return <-sent
		}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var handled atomic.Int64
				spec := talk(func(ctx actor.Context, link *protocols.Link) {
					if _, ok := ctx.Message().(*ask); !ok || handled.Add(1) > 1 {
						return
					}
					if err := tt.send(link); err != nil {
						t.Error(err)
					}
				})
				spec.Limits = protocols.Limits{HighWater: 64 << 10}
				p := protocoltest.NewPair(t, spec, byHand(), protocoltest.Buffer(10_000))
				p.B.Pause()
				p.SetDown(true) // so that both arrive in one read
				send(t, p.B, &ask{})
				send(t, p.B, &ask{})
				synctest.Wait()
				p.SetDown(false)
				synctest.Wait()
				want := map[bool]int64{true: 1, false: 2}[tt.answers]
				if got := handled.Load(); got != want {
					t.Errorf("%d messages were delivered before the remote reads, want %d", got, want)
				}
				p.B.Resume()
				synctest.Wait()
				if got := handled.Load(); got != 2 {
					t.Errorf("%d messages were delivered after the remote has read, want 2", got)
				}
			})
		})
	}
}

// TestR2LinksThatForwardToEachOther: each of two links sends on the other link what it receives,
// and drops what finds no room, as gossip does; the node itself fills both outboxes. The network
// is slow, so they stay full. The node goes on reading both remotes.
func TestR2LinksThatForwardToEachOther(t *testing.T) {
	for _, tt := range []struct {
		name string
		loud [2]bool // whether the remote writes without end, or one small message a second
	}{
		{"the first remote writes without end", [2]bool{true, false}},
		{"the second remote writes without end", [2]bool{false, true}},
		{"both remotes write without end", [2]bool{true, true}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { forwardToEachOther(t, tt.loud) })
		})
	}
}

func forwardToEachOther(t *testing.T, loud [2]bool) {
	const latency = 200 * time.Millisecond // with a buffer of 16 KiB: 80 KiB a second
	var links [2]atomic.Pointer[protocols.Link]
	var handled [2]atomic.Int64
	var pairs [2]*protocoltest.Pair
	for i := range pairs {
		forward := func(msg *text) {
			if other := links[1-i].Load(); other != nil {
				_ = other.Send(msg)
			}
		}
		spec := talk(func(ctx actor.Context, link *protocols.Link) {
			switch msg := ctx.Message().(type) {
			case *protocols.LinkUp:
				links[i].Store(msg.Link.Shared())
			case *text:
				handled[i].Add(1)
				forward(msg)
				<-time.After(time.Duration(30+17*i) * time.Millisecond) // so that the handlers overlap
				forward(msg)
			}
		})
		remote := talk(idle)
		remote.Limits.Inbound = 64 << 20 // it reads on while it writes
		pairs[i] = protocoltest.NewPair(t, spec, remote, protocoltest.Buffer(16<<10))
		pairs[i].SetLatency(latency)
	}
	writes := func(end *protocoltest.End, msg *text, pause time.Duration) {
		end.Go(func() {
			for end.Send(msg) != protocols.ErrLinkDown {
				<-time.After(pause)
			}
		})
	}
	for i, p := range pairs {
		writes(p.A, &text{B: noise(10_000)}, 20*time.Millisecond)
		if loud[i] {
			writes(p.B, &text{B: noise(10_000)}, 20*time.Millisecond)
		} else {
			writes(p.B, &text{}, time.Second)
		}
	}
	var before [2]int64
	for range 4 {
		time.Sleep(15 * time.Second) // of the bubble's clock
		for i, p := range pairs {
			now := handled[i].Load()
			if now < before[i]+5 {
				t.Errorf("link %d handled %d messages of its remote in 15 s", i, now-before[i])
			}
			before[i] = now
			if cause := p.A.Cause(); cause != nil {
				t.Fatalf("link %d has ended: %v", i, cause)
			}
		}
	}
}

// TestGo: a panic in a goroutine of the link crashes the link's actor, whichever handle started
// the goroutine. The next actor goes on, and the remote notices nothing.
func TestGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := protocoltest.NewPair(t, talk(func(ctx actor.Context, link *protocols.Link) {
			if msg, ok := ctx.Message().(*ask); ok {
				switch msg.N {
				case 1:
					link.Go(func() { panic("by the own handle") })
				case 2:
					link.Shared().Go(func() { panic("by the shared handle") })
				default:
					link.Go(func() { _ = link.Shared().Send(&text{S: "done"}) })
				}
			}
		}), byHand())
		for _, id := range []uint64{1, 2, 3} {
			send(t, p.B, &ask{N: id})
			synctest.Wait()
		}
		if got := protocoltest.Next[text](p.B); got.S != "done" {
			t.Errorf("got %+v", got)
		}
		var reasons []string
		for _, s := range p.A.Steps() {
			if s.Event == protocoltest.Failed {
				reasons = append(reasons, s.Reason)
				if !strings.Contains(s.Stack, "handle_test.go") {
					t.Errorf("the stack is not the goroutine's:\n%s", s.Stack)
				}
			}
		}
		if all := strings.Join(reasons, "; "); len(reasons) != 2 || !strings.Contains(all, "by the own handle") || !strings.Contains(all, "by the shared handle") {
			t.Errorf("crashes: %q", reasons)
		}
		if n := p.A.Restarts(); n != 2 || p.A.Cause() != nil {
			t.Errorf("%d restarts, the link has ended: %v", n, p.A.Cause())
		}
	})
}

// TestGoOfATemporaryProtocol: if the protocol is never restarted, the panic ends the link.
func TestGoOfATemporaryProtocol(t *testing.T) {
	spec := talk(func(ctx actor.Context, link *protocols.Link) {
		if _, ok := ctx.Message().(*ask); ok {
			link.Go(func() { panic("in a goroutine") })
		}
	})
	spec.Restart = protocols.Temporary
	p := protocoltest.NewPair(t, spec, byHand())
	send(t, p.B, &ask{})
	if c := p.A.Wait(); c.Side != protocols.Local || c.Reason != protocols.DiscSubprotocolError || !strings.Contains(c.Error(), "in a goroutine") {
		t.Errorf("the link ended: %v", c)
	}
}

package protocols_test

import (
	"slices"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/troupe-p2p/troupe/protocols"
	"github.com/troupe-p2p/troupe/protocols/protocoltest"
)

// release is a message of another actor that ends a hold.
type release struct{}

// holding is talk/7 whose actor holds after each text that is "hold", and crashes at "crash".
type holding struct {
	mu       sync.Mutex
	got      []string
	restarts int
}

func (h *holding) spec() protocols.Spec {
	return talk(func(ctx actor.Context, link *protocols.Link) {
		h.mu.Lock()
		defer h.mu.Unlock()
		switch msg := ctx.Message().(type) {
		case *protocols.LinkUp:
			if msg.Restarted {
				h.restarts++
			}
		case *text:
			h.got = append(h.got, msg.S)
			if msg.S == "hold" {
				link.Hold(true)
			}
		case release:
			link.Hold(false)
		case nudge:
			panic("crash")
		}
	})
}

func (h *holding) expect(t *testing.T, when string, want ...string) {
	t.Helper()
	synctest.Wait()
	h.mu.Lock()
	defer h.mu.Unlock()
	if !slices.Equal(h.got, want) {
		t.Errorf("%s: got %v, want %v", when, h.got, want)
	}
}

// TestHold: while an actor holds, it gets nothing of the remote but still what other actors send,
// and then all in order. A restart ends the hold.
func TestHold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &holding{}
		p := protocoltest.NewPair(t, h.spec(), byHand())
		for _, s := range []string{"first", "hold", "second", "hold", "third"} {
			send(t, p.B, &text{S: s})
		}
		h.expect(t, "held", "first", "hold")
		p.A.Tell(p.A.Self(), release{})
		h.expect(t, "held again", "first", "hold", "second", "hold")
		p.A.Tell(p.A.Self(), nudge{})
		h.expect(t, "after a crash", "first", "hold", "second", "hold", "third")
		if h.restarts != 1 {
			t.Errorf("%d restarts, want 1", h.restarts)
		}
	})
}

// TestHoldAndService: the remote's messages wait until both the actor and the service are ready.
func TestHoldAndService(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		goOn := make(chan struct{})
		l := &lagging{handle: func(*text) { <-goOn }}
		spec := l.spec()
		act := spec.New
		spec.New = func() actor.Actor {
			inner := act()
			var link *protocols.Link
			return actor.ReceiveFunc(func(ctx actor.Context) {
				switch msg := ctx.Message().(type) {
				case *protocols.LinkUp:
					link = msg.Link
				case release:
					link.Hold(false)
				case nudge:
					link.Hold(true)
				}
				inner.Receive(ctx)
			})
		}
		p := protocoltest.NewPair(t, spec, byHand())
		for range 12 {
			send(t, p.B, &text{S: "x", B: make([]byte, 1000)})
		}
		synctest.Wait()
		before := l.passed.Load()
		p.A.Tell(p.A.Self(), nudge{})
		p.A.Tell(p.A.Self(), release{})
		synctest.Wait()
		if got := l.passed.Load(); got != before {
			t.Errorf("the actor's release ended the service's hold: %d passed on, then %d", before, got)
		}
		p.A.Tell(p.A.Self(), nudge{})
		synctest.Wait()
		close(goOn)
		synctest.Wait()
		if got := l.passed.Load(); got != before {
			t.Errorf("the service ended the actor's hold: %d passed on, then %d", before, got)
		}
		p.A.Tell(p.A.Self(), release{})
		synctest.Wait()
		if got := l.passed.Load(); got != 12 {
			t.Errorf("%d passed on in the end, want 12", got)
		}
	})
}

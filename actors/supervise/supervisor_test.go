package supervise_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/troupe-p2p/troupe/actors/actortest"
	"github.com/troupe-p2p/troupe/actors/supervise"
)

// parent is a supervising actor. Tests send it functions, which it runs in its own turn.
type parent struct {
	*supervise.Supervisor
	forbid  bool // restarts
	failed  []*supervise.Crash
	gaveUp  []*supervise.Crash
	stopped chan struct{}
}

func (b *parent) Receive(ctx actor.Context) {
	if b.Handle(ctx.Message()) {
		return
	}
	switch msg := ctx.Message().(type) {
	case func(actor.Context):
		msg(ctx)
	case *actor.Stopped:
		close(b.stopped)
	}
}

func (b *parent) Describe(*actor.PID) supervise.Step { return supervise.Step{Protocol: "test/1"} }
func (b *parent) ChildFailed(_ *actor.PID, c *supervise.Crash) bool {
	b.failed = append(b.failed, c)
	return !b.forbid
}
func (b *parent) GaveUp(_ *actor.PID, c *supervise.Crash) { b.gaveUp = append(b.gaveUp, c) }

// worker is a child that runs the functions sent to it and records when it was started.
type worker struct{ *work }

type work struct {
	pid      *actor.PID
	starts   []time.Duration // since the test began
	begun    time.Time
	stopped  atomic.Bool
	panicsIn string // type of the lifecycle message in which it panics
	handled  int
}

func (w worker) Receive(ctx actor.Context) {
	if w.panicsIn == fmt.Sprintf("%T", ctx.Message()) {
		panic("in a lifecycle message")
	}
	switch msg := ctx.Message().(type) {
	case *actor.Started:
		w.starts = append(w.starts, time.Since(w.begun))
	case *actor.Stopped:
		w.stopped.Store(true)
	case func(actor.Context):
		w.handled++
		msg(ctx)
	}
}

// harness is a parent in an actor system of its own, inside a bubble.
type harness struct {
	*parent
	pid  *actor.PID
	root *actor.RootContext
	book *actortest.Steps
}

func newHarness(t *testing.T) *harness {
	system, book := actortest.NewSystem(), new(actortest.Steps)
	b := &parent{stopped: make(chan struct{})}
	b.Supervisor = supervise.NewSupervisor(supervise.SystemClock, book.Journal(), b)
	props := supervise.PropsOf(func() actor.Actor { return b }, book.Journal())
	o := &harness{parent: b, root: system.Root, book: book}
	var err error
	if o.pid, err = system.Root.SpawnNamed(props, "parent$1"); err != nil {
		t.Fatal(err)
	}
	return o
}

// do runs f in the parent's turn and waits until everything that follows at once is done.
func (o *harness) do(f func(ctx actor.Context)) {
	o.root.Send(o.pid, f)
	synctest.Wait()
}

func (o *harness) spawn(name string, p *supervise.Policy) *work {
	w := &work{begun: time.Now()}
	o.do(func(ctx actor.Context) {
		w.pid, _ = ctx.SpawnNamed(supervise.PropsOf(func() actor.Actor { return worker{w} }, o.book.Journal()), name)
		if p != nil {
			o.Adopt(w.pid, p)
		}
	})
	return w
}

func (o *harness) tell(w *work, msg any) {
	o.root.Send(w.pid, msg)
	synctest.Wait()
}

func explode(actor.Context) { panic("boom") }

func (o *harness) close(t *testing.T) {
	t.Helper()
	o.root.Stop(o.pid)
	synctest.Wait()
	select {
	case <-o.stopped:
	default:
		t.Error("the parent does not stop")
	}
}

func TestSupervisorRestarts(t *testing.T) {
	actortest.Bubble(t, func(t *testing.T) {
		o := newHarness(t)
		defer o.close(t)
		w := o.spawn("worker", supervise.LinkChild(supervise.Transient, supervise.Intensity{}))
		for range 5 {
			o.tell(w, explode)
			actortest.After(100 * time.Millisecond)
		}
		const ms = time.Millisecond
		want := []time.Duration{0, 0, 110 * ms, 220 * ms, 340 * ms, 480 * ms}
		if !slices.Equal(w.starts, want) {
			t.Errorf("started at %v, want %v", w.starts, want)
		}
		o.tell(w, explode)
		if !w.stopped.Load() || len(o.gaveUp) != 1 {
			t.Errorf("after six failures: stopped %v, GaveUp was called %d times", w.stopped.Load(), len(o.gaveUp))
		}
		failures, restarts := o.book.Of("worker", supervise.Failed), o.book.Of("worker", supervise.Restarted)
		if len(failures) != 6 || len(restarts) != 5 || len(o.book.Of("worker", supervise.GaveUp)) != 1 {
			t.Fatalf("journal has %d failures, %d restarts, %d of GaveUp", len(failures), len(restarts), len(o.book.Of("worker", supervise.GaveUp)))
		}
		for i, e := range failures {
			if e.Restarts != i || e.Reason != "panic: boom" || !strings.Contains(e.Stack, "explode") || e.Protocol != "test/1" || e.Actor != "parent/worker" {
				t.Errorf("failure %d: %+v", i, e)
			}
		}
		if b := failures[3].Backoff; b != 40*ms {
			t.Errorf("the fourth failure is recorded with backoff %v", b)
		}
		if e := o.book.Of("worker", supervise.GaveUp)[0]; !strings.Contains(e.Reason, "5 in 1m0s") || !strings.Contains(e.Reason, "boom") {
			t.Errorf("GaveUp has reason %q", e.Reason)
		}
		if crash := o.gaveUp[0]; crash.Value != "boom" || crash.Message == nil {
			t.Errorf("GaveUp was called with %+v", crash)
		}
	})
}

// TestSupervisorLateRestartFindsItsOwn: a restart that is due late must not hit the successor of
// its child.
func TestSupervisorLateRestartFindsItsOwn(t *testing.T) {
	actortest.Bubble(t, func(t *testing.T) {
		o := newHarness(t)
		defer o.close(t)
		policy := supervise.LinkChild(supervise.Transient, supervise.Intensity{})
		first := o.spawn("worker", policy)
		o.tell(first, explode)
		o.tell(first, explode) // restarted in 10 ms
		o.do(func(ctx actor.Context) {
			o.Release(first.pid)
			ctx.Stop(first.pid)
		})
		second := o.spawn("worker", policy)
		actortest.After(time.Second)
		if len(second.starts) != 1 {
			t.Errorf("the successor was started %d times", len(second.starts))
		}
		if len(first.starts) != 2 || !first.stopped.Load() {
			t.Errorf("the first was started %d times, stopped: %v", len(first.starts), first.stopped.Load())
		}
	})
}

func TestSupervisorStopsWhatMayNotComeBack(t *testing.T) {
	for _, tt := range []struct {
		name   string
		policy *supervise.Policy
		forbid bool
		gaveUp int
	}{
		{"temporary", supervise.LinkChild(supervise.Temporary, supervise.Intensity{}), false, 1},
		{"forbidden by the parent", supervise.LinkChild(supervise.Permanent, supervise.Intensity{Restarts: -1}), true, 1},
		{"not adopted", nil, false, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			actortest.Bubble(t, func(t *testing.T) {
				o := newHarness(t)
				defer o.close(t)
				o.forbid = tt.forbid
				w := o.spawn("worker", tt.policy)
				o.tell(w, explode)
				actortest.After(time.Minute)
				if len(w.starts) != 1 || !w.stopped.Load() || len(o.gaveUp) != tt.gaveUp {
					t.Errorf("started %d times, stopped %v, GaveUp was called %d times", len(w.starts), w.stopped.Load(), len(o.gaveUp))
				}
				if len(o.book.Of("worker", supervise.GaveUp)) != 0 {
					t.Error("the journal has a GaveUp though no limit was exceeded")
				}
			})
		})
	}
}

func TestSupervisorStopsWhileAChildWaits(t *testing.T) {
	actortest.Bubble(t, func(t *testing.T) {
		o := newHarness(t)
		w := o.spawn("worker", &supervise.Resident)
		o.tell(w, explode)
		o.close(t)
		actortest.After(time.Minute)
		if len(w.starts) != 1 || !w.stopped.Load() {
			t.Errorf("started %d times, stopped %v", len(w.starts), w.stopped.Load())
		}
	})
}

func TestSupervisorEnded(t *testing.T) {
	actortest.Bubble(t, func(t *testing.T) {
		o := newHarness(t)
		defer o.close(t)
		once := o.spawn("once", supervise.LinkChild(supervise.Permanent, supervise.Intensity{Restarts: 1, Within: time.Minute}))
		never := o.spawn("never", supervise.LinkChild(supervise.Transient, supervise.Intensity{}))
		stranger := o.spawn("stranger", nil)
		o.do(func(actor.Context) {
			if o.Ended(never.pid) || o.Ended(stranger.pid) {
				t.Error("a child that is not permanent is restarted after it stopped by itself")
			}
			if !o.Ended(once.pid) {
				t.Error("a permanent child is not restarted")
			}
			if o.Ended(once.pid) {
				t.Error("a permanent child is restarted more often than its intensity allows")
			}
		})
		if got := o.book.Of("once", supervise.Restarted); len(got) != 1 || got[0].Restarts != 1 {
			t.Errorf("journal has %+v", got)
		}
	})
}

// TestInjectIsMarkedAndNotCounted: injected crashes are handled in the same way, are marked, and
// are not counted.
func TestInjectIsMarkedAndNotCounted(t *testing.T) {
	actortest.Bubble(t, func(t *testing.T) {
		o := newHarness(t)
		defer o.close(t)
		w := o.spawn("worker", supervise.LinkChild(supervise.Transient, supervise.Intensity{Restarts: 1, Within: time.Hour}))
		for range 20 {
			o.tell(w, &supervise.Inject{})
		}
		if len(w.starts) != 21 || w.stopped.Load() {
			t.Fatalf("after 20 injected crashes: started %d times, stopped %v", len(w.starts), w.stopped.Load())
		}
		o.tell(w, explode)
		if w.stopped.Load() {
			t.Error("the injected crashes were counted")
		}
		for _, kind := range []string{supervise.Failed, supervise.Restarted} {
			list := o.book.Of("worker", kind)
			if len(list) != 21 || !list[0].Injected || !list[19].Injected || list[20].Injected {
				t.Errorf("%d records of %s, first injected %v, last %v", len(list), kind, list[0].Injected, list[len(list)-1].Injected)
			}
		}
		if last := o.book.Of("worker", supervise.Restarted)[20]; last.Restarts != 21 {
			t.Errorf("the journal counts %d restarts, want 21", last.Restarts)
		}
	})
}

// TestGuardSwallowsPanicsOfTheEnd: a panic while an actor stops or restarts would leave its
// parent waiting for ever; it is only recorded in the journal.
func TestGuardSwallowsPanicsOfTheEnd(t *testing.T) {
	for _, kind := range []string{"*actor.Stopping", "*actor.Stopped", "*actor.Restarting"} {
		t.Run(kind, func(t *testing.T) {
			actortest.Bubble(t, func(t *testing.T) {
				o := newHarness(t)
				w := o.spawn("worker", supervise.LinkChild(supervise.Permanent, supervise.Intensity{}))
				w.panicsIn = kind
				o.tell(w, explode)
				if len(w.starts) != 2 {
					t.Errorf("started %d times, want 2", len(w.starts))
				}
				o.close(t)
				var reported bool
				for _, e := range o.book.Of("worker", supervise.Failed) {
					reported = reported || strings.Contains(e.Reason, "while stopping") && strings.Contains(e.Stack, "worker.Receive")
				}
				if !reported {
					t.Errorf("the journal does not record the panic: %+v", o.book.Of("worker", supervise.Failed))
				}
			})
		})
	}
}

// TestGoReportsAPanic: a goroutine's panic is its actor's, with the stack of the goroutine.
func TestGoReportsAPanic(t *testing.T) {
	actortest.Bubble(t, func(t *testing.T) {
		o := newHarness(t)
		defer o.close(t)
		w := o.spawn("worker", supervise.LinkChild(supervise.Transient, supervise.Intensity{}))
		o.tell(w, func(ctx actor.Context) { supervise.Go(o.root, ctx.Self(), explodeInGoroutine) })
		if len(w.starts) != 2 || len(o.failed) != 1 {
			t.Fatalf("started %d times, %d failures", len(w.starts), len(o.failed))
		}
		crash := o.failed[0]
		if !strings.Contains(string(crash.Stack), "explodeInGoroutine") {
			t.Errorf("the stack is not the goroutine's:\n%s", crash.Stack)
		}
		if !errors.Is(crash, errGoroutine) {
			t.Errorf("crash %v does not wrap the value of the panic", crash)
		}
	})
}

var errGoroutine = errors.New("panic of the goroutine")

func explodeInGoroutine() { panic(errGoroutine) }

func TestSendRefusesNil(t *testing.T) {
	system := actortest.NewSystem()
	for name, send := range map[string]func(){
		"nil message": func() { supervise.Send(system.Root, system.NewLocalPID("x"), nil) },
		"nil PID":     func() { supervise.Send(system.Root, nil, &supervise.Inject{}) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s is accepted", name)
				}
			}()
			send()
		}()
	}
}

func TestPathHasNoSuffixes(t *testing.T) {
	for id, want := range map[string]string{
		"node-1f/peers/peer-9f$3a/eth":  "node-1f/peers/peer-9f/eth",
		"node-1f$2/peers$1/peer-9f$3/e": "node-1f/peers/peer-9f/e",
		"plain":                         "plain",
	} {
		if got := supervise.Path(actor.NewPID("local", id)); got != want {
			t.Errorf("path of %q is %q, want %q", id, got, want)
		}
	}
}

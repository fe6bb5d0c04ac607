package actors

import (
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asynkron/protoactor-go/actor"
)

// newSystem makes an actor system for one test. In a synctest bubble it must be
// made inside.
func newSystem() *actor.ActorSystem {
	return actor.NewActorSystem(
		actor.WithLoggerFactory(func(*actor.ActorSystem) *slog.Logger { return slog.New(slog.DiscardHandler) }),
		// A throttle runs a goroutine for this long.
		actor.WithDeadLetterThrottleInterval(time.Millisecond),
	)
}

// logbook keeps what goes through a Journal.
type logbook struct {
	mu     sync.Mutex
	events []Event
}

func (l *logbook) journal() *Journal { return NewJournal(nil, l.add) }

func (l *logbook) add(e Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.events = append(l.events, e)
}

// of gives the records of one kind about one actor, whose path ends with name.
func (l *logbook) of(name, kind string) []Event {
	l.mu.Lock()
	defer l.mu.Unlock()
	var list []Event
	for _, e := range l.events {
		if e.Event == kind && (e.Actor == name || len(e.Actor) > len(name) && e.Actor[len(e.Actor)-len(name)-1:] == "/"+name) {
			list = append(list, e)
		}
	}
	return list
}

// bubble runs f with a clock of its own, and fails the test if f leaves a
// goroutine behind that does not end by itself.
func bubble(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		t.Cleanup(func() { after(5 * time.Millisecond) }) // the throttle of dead letters
		f(t)
	})
}

// eventually waits until cond holds. It is for tests in real time; in a bubble
// synctest.Wait is exact.
func eventually(t testing.TB, what string, cond func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	deadline := time.After(20 * time.Second)
	for !cond() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("not within 20 s: %s", what)
		}
	}
}

// after lets that much time pass in a bubble, and then all that happens at its end.
func after(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

// noBuffersLost fails the test if it ends with more buffers out than there were at
// the first call. What is to be cleaned up before is asked for later. Tests that use
// it don't run in parallel.
func noBuffersLost(t testing.TB) {
	t.Helper()
	if watched == t {
		return
	}
	watched = t
	before := buffersOut.Load()
	t.Cleanup(func() { settles(t, "buffers left over", func() int64 { return buffersOut.Load() - before }) })
}

// watched is the test whose buffers are looked after.
var watched testing.TB

// settles fails the test if a number does not come down to zero: what ends a link
// may be a step ahead of what cleans up behind it.
func settles(t testing.TB, what string, number func() int64) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for range 20_000 {
		if number() == 0 {
			return
		}
		<-tick.C
	}
	t.Errorf("%d %s", number(), what)
}

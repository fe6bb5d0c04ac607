// Package actortest has helpers for tests of actors: a quiet actor system, a record of lifecycle
// steps, a log that tests read, and ways to wait in real and in simulated time.
package actortest

import (
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/troupe-p2p/troupe/actors/supervise"
)

// NewSystem makes an actor system for one test. In a synctest bubble it must be called inside the
// bubble.
func NewSystem() *actor.ActorSystem {
	return supervise.NewSystem(
		actor.WithLoggerFactory(func(*actor.ActorSystem) *slog.Logger { return slog.New(slog.DiscardHandler) }),
		// The throttle of dead letters keeps a goroutine for this long.
		actor.WithDeadLetterThrottleInterval(time.Millisecond),
	)
}

// Steps records the lifecycle steps of a Journal. The zero value is ready for use.
type Steps struct {
	mu   sync.Mutex
	list []supervise.Step
}

// Journal returns a journal that writes to s and to no log.
func (s *Steps) Journal() *supervise.Journal { return supervise.NewJournal(nil, s.Add) }

// Add records one step.
func (s *Steps) Add(e supervise.Step) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.list = append(s.list, e)
}

// Of returns the steps of one kind of the actors whose path is name or ends with name.
func (s *Steps) Of(name, kind string) []supervise.Step {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []supervise.Step
	for _, e := range s.list {
		if e.Event == kind && (e.Actor == name || strings.HasSuffix(e.Actor, "/"+name)) {
			list = append(list, e)
		}
	}
	return list
}

// Bubble runs f with a simulated clock, and fails the test if f leaves a goroutine behind that
// does not end by itself.
func Bubble(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		t.Cleanup(func() { After(100 * time.Millisecond) }) // the throttle of dead letters: a node's takes 50 ms
		f(t)
	})
}

// After lets d pass in a bubble, and then waits until everything due has run.
func After(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

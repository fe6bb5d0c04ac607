package supervise

import (
	"slices"
	"time"

	"github.com/asynkron/protoactor-go/actor"
)

// Supervisor restarts the adopted children of an actor, each by its own policy, and records every
// step in the journal. It replaces protoactor's supervisor strategy, whose backoff is linear and
// has no cap, and which loses the stack and may restart a successor. An actor embeds it and calls
// [Supervisor.Handle] first in its Receive; everything runs in that actor's turn.
type Supervisor struct {
	clock    Clock
	journal  *Journal
	guardian Guardian
	children []supervised
}

// Guardian is what a supervising actor adds for its children.
type Guardian interface {
	// Describe returns the fields that all records of a child share. The supervisor fills in the
	// path.
	Describe(child *actor.PID) Step
	// ChildFailed is called for each failure before anything is decided. It returns false to
	// forbid the restart.
	ChildFailed(child *actor.PID, crash *Crash) bool
	// GaveUp is called when a child is about to be stopped for good.
	GaveUp(child *actor.PID, crash *Crash)
}

// NewSupervisor returns a supervisor without children. guardian may be nil.
func NewSupervisor(clock Clock, journal *Journal, guardian Guardian) *Supervisor {
	return &Supervisor{clock: clock, journal: journal, guardian: guardian}
}

// supervised is one adopted child. Most children never fail, so the record of failures is made at the
// first one.
type supervised struct {
	pid    *actor.PID
	policy *Policy
	*record
}

type record struct {
	history  history
	failure  int // counts failures, so that a late restart can be matched to its failure
	restarts int
	waiting  bool
}

// Adopt starts the supervision of a child that the caller has just spawned. policy must not be
// changed.
func (s *Supervisor) Adopt(pid *actor.PID, policy *Policy) {
	s.children = append(s.children, supervised{pid: pid, policy: policy})
}

// Release ends the supervision of a child that has stopped or is about to.
func (s *Supervisor) Release(pid *actor.PID) {
	s.children = slices.DeleteFunc(s.children, func(w supervised) bool { return w.pid.Equal(pid) })
}

// find returns the child's supervised, with a record, or nil if the child was not adopted.
func (s *Supervisor) find(pid *actor.PID) *supervised {
	for i := range s.children {
		if w := &s.children[i]; w.pid.Equal(pid) {
			if w.record == nil {
				w.record = &record{history: newHistory(*w.policy)}
			}
			return w
		}
	}
	return nil
}

// restartDue is sent by the supervisor's timer to its own actor when a backoff is over.
type restartDue struct {
	child   *actor.PID
	record  *record // of the child that failed; a successor has another record
	failure int
	by      actor.Supervisor
}

// Handle processes the supervisor's own messages. It returns true if msg was one.
func (s *Supervisor) Handle(msg any) bool {
	due, ok := msg.(*restartDue)
	if !ok {
		return false
	}
	// The child may have been released, or have failed again, in the meantime.
	if w := s.find(due.child); w != nil && w.record == due.record && w.waiting && w.failure == due.failure {
		s.restart(due.by, w, false)
	}
	return true
}

// Ended reports whether a child that stopped by itself must be started again, which is true for a
// permanent child only, and counts that as a restart. The caller spawns it under the same name;
// it stays adopted.
func (s *Supervisor) Ended(pid *actor.PID) bool {
	w := s.find(pid)
	if w == nil || w.policy.Restart != Permanent {
		return false
	}
	if _, exhausted := w.history.failed(s.clock.Now()); exhausted {
		return false
	}
	w.waiting = false
	w.restarts++
	e := s.describe(w, Restarted)
	e.Reason = "returned"
	s.journal.Record(e)
	return true
}

// HandleFailure implements actor.SupervisorStrategy. It runs in the supervising actor's turn,
// with the child suspended.
func (s *Supervisor) HandleFailure(system *actor.ActorSystem, by actor.Supervisor, child *actor.PID, _ *actor.RestartStatistics, reason, message any) {
	crash, ok := reason.(*Crash)
	if !ok {
		crash = &Crash{Value: reason, Message: message}
	}
	w := s.find(child)
	if w == nil {
		by.StopChildren(child)
		return
	}
	w.failure++
	allowed := s.guardian == nil || s.guardian.ChildFailed(child, crash)
	backoff, exhausted := time.Duration(0), w.policy.Restart == Temporary
	if !crash.Injected {
		backoff, exhausted = w.history.failed(s.clock.Now())
	}
	s.recordFailure(w, Failed, crash, backoff)
	if exhausted || !allowed {
		s.abort(by, w, crash, allowed)
		return
	}
	if backoff == 0 {
		s.restart(by, w, crash.Injected)
		return
	}
	w.waiting = true
	due := &restartDue{child: child, record: w.record, failure: w.failure, by: by}
	self := by.(interface{ Self() *actor.PID }).Self()
	s.clock.AfterFunc(backoff, func() { Send(system.Root, self, due) })
}

func (s *Supervisor) abort(by actor.Supervisor, w *supervised, crash *Crash, allowed bool) {
	if allowed && w.policy.Restart != Temporary {
		s.recordFailure(w, GaveUp, crash, 0)
	}
	pid := w.pid
	s.Release(pid)
	if s.guardian != nil {
		// GaveUp is called before the child stops, which may happen at once.
		s.guardian.GaveUp(pid, crash)
	}
	by.StopChildren(pid)
}

func (s *Supervisor) restart(by actor.Supervisor, w *supervised, injected bool) {
	w.waiting = false
	w.restarts++
	e := s.describe(w, Restarted)
	e.Injected = injected
	s.journal.Record(e)
	by.RestartChildren(w.pid)
}

func (s *Supervisor) recordFailure(w *supervised, event string, crash *Crash, backoff time.Duration) {
	e := s.describe(w, event)
	e.Reason, e.Backoff, e.Injected = crash.Error(), backoff, crash.Injected
	if event == Failed {
		e.Stack = string(crash.Stack)
	} else {
		e.Reason = "restart limit exceeded (" + w.history.policy.Intensity.String() + "), last failure: " + e.Reason
	}
	s.journal.Record(e)
}

func (s *Supervisor) describe(w *supervised, event string) (e Step) {
	if s.guardian != nil {
		e = s.guardian.Describe(w.pid)
	}
	e.Actor, e.Event, e.Restarts = Path(w.pid), event, w.restarts
	return e
}

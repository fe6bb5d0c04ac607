package supervise

import (
	"slices"
	"time"

	"github.com/asynkron/protoactor-go/actor"
)

// Supervisor restarts the children that an actor has put in its care, each by a
// policy of its own, and journals every step. It is protoactor's supervisor
// strategy done over, because the one that ships is linear, has no cap, forgets
// the stack, and may restart a successor. An actor embeds it and asks
// [Supervisor.Handle] first in its Receive; everything runs in that actor's turn.
type Supervisor struct {
	clock    Clock
	journal  *Journal
	guardian Guardian
	children []ward
}

// Guardian is what a supervising actor adds about its children.
type Guardian interface {
	// Describe gives the fields that all records of a child share; its path is
	// filled in already.
	Describe(child *actor.PID) Step
	// ChildFailed is told of each failure before anything is decided. It returns
	// false to forbid the restart.
	ChildFailed(child *actor.PID, crash *Crash) bool
	// GaveUp is told when a child is about to be stopped for good.
	GaveUp(child *actor.PID, crash *Crash)
}

// NewSupervisor makes a supervisor without children. guardian may be nil.
func NewSupervisor(clock Clock, journal *Journal, guardian Guardian) *Supervisor {
	return &Supervisor{clock: clock, journal: journal, guardian: guardian}
}

// ward is one child in care. Most children never fail, so what is remembered of
// failures is made at the first one.
type ward struct {
	pid    *actor.PID
	policy *Policy
	*record
}

type record struct {
	history  history
	failure  int // counts failures, so that a late restart finds its own
	restarts int
	waiting  bool
}

// Adopt takes a child into care. The caller has just spawned it; policy must not
// be changed.
func (s *Supervisor) Adopt(pid *actor.PID, policy *Policy) {
	s.children = append(s.children, ward{pid: pid, policy: policy})
}

// Release ends the care for a child that has stopped or is about to.
func (s *Supervisor) Release(pid *actor.PID) {
	s.children = slices.DeleteFunc(s.children, func(w ward) bool { return w.pid.Equal(pid) })
}

// find gives the child's ward, with its record, nil if it is not in care.
func (s *Supervisor) find(pid *actor.PID) *ward {
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

// restartDue is sent by the supervisor's timer to its own actor when a backoff
// is over.
type restartDue struct {
	child   *actor.PID
	record  *record // of the child that failed; a successor has another one
	failure int
	by      actor.Supervisor
}

// Handle deals with the supervisor's own messages; true means that the message
// was one.
func (s *Supervisor) Handle(msg any) bool {
	due, ok := msg.(*restartDue)
	if !ok {
		return false
	}
	// The child may have been released, or have failed again, meanwhile.
	if w := s.find(due.child); w != nil && w.record == due.record && w.waiting && w.failure == due.failure {
		s.restart(due.by, w, false)
	}
	return true
}

// Ended says whether a child that stopped by itself is to be started again, which
// only a permanent one is, and counts that as a restart. The caller spawns it
// under the same name; it stays in care.
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
	e.Reason = "had returned"
	s.journal.Record(e)
	return true
}

// HandleFailure implements actor.SupervisorStrategy. It runs in the supervising
// actor's turn, with the child suspended.
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

func (s *Supervisor) abort(by actor.Supervisor, w *ward, crash *Crash, allowed bool) {
	if allowed && w.policy.Restart != Temporary {
		s.recordFailure(w, GaveUp, crash, 0)
	}
	pid := w.pid
	s.Release(pid)
	if s.guardian != nil {
		// Before the child stops, which may be at once: it is told why.
		s.guardian.GaveUp(pid, crash)
	}
	by.StopChildren(pid)
}

func (s *Supervisor) restart(by actor.Supervisor, w *ward, injected bool) {
	w.waiting = false
	w.restarts++
	e := s.describe(w, Restarted)
	e.Injected = injected
	s.journal.Record(e)
	by.RestartChildren(w.pid)
}

func (s *Supervisor) recordFailure(w *ward, event string, crash *Crash, backoff time.Duration) {
	e := s.describe(w, event)
	e.Reason, e.Backoff, e.Injected = crash.Error(), backoff, crash.Injected
	if event == Failed {
		e.Stack = string(crash.Stack)
	} else {
		e.Reason = "more than " + w.history.policy.Intensity.String() + ", last: " + e.Reason
	}
	s.journal.Record(e)
}

func (s *Supervisor) describe(w *ward, event string) (e Step) {
	if s.guardian != nil {
		e = s.guardian.Describe(w.pid)
	}
	e.Actor, e.Event, e.Restarts = Path(w.pid), event, w.restarts
	return e
}

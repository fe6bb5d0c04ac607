package actors

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
	children []*ward
}

// NewSupervisor makes a supervisor without children.
func NewSupervisor(clock Clock, journal *Journal) *Supervisor {
	return &Supervisor{clock: clock, journal: journal}
}

// Care is what a supervisor is told of one child.
type Care struct {
	Policy Policy
	// Label gives the fields that all records of this child share.
	Label Event
	// OnFailure is told of each failure before anything is decided. It returns
	// false to forbid the restart. May be nil.
	OnFailure func(*Crash) bool
	// OnGiveUp is told when the child is stopped for good. May be nil.
	OnGiveUp func(*Crash)
}

// ward is one child in care.
type ward struct {
	Care
	pid      *actor.PID
	history  history
	failure  int // counts failures, so that a late restart finds its own
	restarts int
	waiting  bool
}

// restartDue is sent by the supervisor's timer to its own actor when a backoff
// is over.
type restartDue struct {
	ward    *ward
	failure int
	by      actor.Supervisor
}

// Adopt takes a child into care. The caller has just spawned it.
func (s *Supervisor) Adopt(pid *actor.PID, care Care) {
	care.Label.Actor = Path(pid)
	s.children = append(s.children, &ward{Care: care, pid: pid, history: newHistory(care.Policy)})
}

// Release ends the care for a child that has stopped or is about to.
func (s *Supervisor) Release(pid *actor.PID) {
	s.children = slices.DeleteFunc(s.children, func(w *ward) bool { return w.pid.Equal(pid) })
}

// Handle deals with the supervisor's own messages; true means that the message
// was one.
func (s *Supervisor) Handle(msg any) bool {
	due, ok := msg.(*restartDue)
	if !ok {
		return false
	}
	// The child may have been released, or have failed again, meanwhile.
	if due.ward.waiting && due.ward.failure == due.failure && slices.Contains(s.children, due.ward) {
		s.restart(due.by, due.ward, false)
	}
	return true
}

// Ended says whether a child that stopped by itself is to be started again, which
// only a permanent one is, and counts that as a restart. The caller spawns it
// under the same name; it stays in care.
func (s *Supervisor) Ended(pid *actor.PID) bool {
	i := slices.IndexFunc(s.children, func(w *ward) bool { return w.pid.Equal(pid) })
	if i < 0 || s.children[i].Policy.Restart != Permanent {
		return false
	}
	w := s.children[i]
	if _, giveUp := w.history.failed(s.clock.Now()); giveUp {
		return false
	}
	w.waiting = false
	w.restarts++
	e := w.Label
	e.Event, e.Reason, e.Restarts = Restarted, "had returned", w.restarts
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
	i := slices.IndexFunc(s.children, func(w *ward) bool { return w.pid.Equal(child) })
	if i < 0 {
		by.StopChildren(child)
		return
	}
	w := s.children[i]
	w.failure++
	allowed := w.OnFailure == nil || w.OnFailure(crash)
	backoff, giveUp := time.Duration(0), w.Policy.Restart == Temporary
	if !crash.Injected {
		backoff, giveUp = w.history.failed(s.clock.Now())
	}
	s.record(w, Failed, crash, backoff)
	if giveUp || !allowed {
		s.giveUp(by, w, crash, allowed)
		return
	}
	if backoff == 0 {
		s.restart(by, w, crash.Injected)
		return
	}
	w.waiting = true
	due := &restartDue{ward: w, failure: w.failure, by: by}
	self := by.(interface{ Self() *actor.PID }).Self()
	s.clock.AfterFunc(backoff, func() { Send(system.Root, self, due) })
}

func (s *Supervisor) giveUp(by actor.Supervisor, w *ward, crash *Crash, allowed bool) {
	if allowed && w.Policy.Restart != Temporary {
		s.record(w, GaveUp, crash, 0)
	}
	s.Release(w.pid)
	by.StopChildren(w.pid)
	if w.OnGiveUp != nil {
		w.OnGiveUp(crash)
	}
}

func (s *Supervisor) restart(by actor.Supervisor, w *ward, injected bool) {
	w.waiting = false
	w.restarts++
	e := w.Label
	e.Event, e.Restarts, e.Injected = Restarted, w.restarts, injected
	s.journal.Record(e)
	by.RestartChildren(w.pid)
}

func (s *Supervisor) record(w *ward, event string, crash *Crash, backoff time.Duration) {
	e := w.Label
	e.Event, e.Reason, e.Restarts, e.Backoff = event, crash.Error(), w.restarts, backoff
	e.Injected = crash.Injected
	if event == Failed {
		e.Stack = string(crash.Stack)
	} else {
		e.Reason = "more than " + w.history.policy.Intensity.String() + ", last: " + e.Reason
	}
	e.Quiet = false
	s.journal.Record(e)
}

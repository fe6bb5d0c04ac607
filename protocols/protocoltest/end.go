package protocoltest

import (
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/troupe-p2p/troupe/actors"
	"github.com/troupe-p2p/troupe/actors/supervise"
	"github.com/troupe-p2p/troupe/protocols"
)

// patience is how long an End waits for what should happen at once.
const patience = 30 * time.Second

// Step is one lifecycle step of an actor, as in the node's log.
type Step = supervise.Step

// The steps that a [Step] can have.
const (
	Started   = supervise.Started
	Failed    = supervise.Failed
	Restarted = supervise.Restarted
	Returned  = supervise.Returned
	Stopped   = supervise.Stopped
	GaveUp    = supervise.GaveUp
)

// End is one node's end of a [Pair]: the protocol's Link there, and further methods for tests.
type End struct {
	*protocols.Link

	tb       fataler
	name     string // A or B
	protocol string
	link     *actors.Link
	conn     *conn
	steps    record[Step]
	taken    int // messages that Next took; only the test's goroutine uses it

	root    *actor.RootContext
	owner   *actor.PID
	gone    chan struct{} // closes when the link's actors are gone
	stopped chan struct{} // closes when their owner is gone too

	stopTimeout time.Duration // of the service
}

// fataler is the part of testing.TB that an End needs.
type fataler interface {
	Helper()
	Fatalf(format string, args ...any)
}

// Crash makes the end's actor panic, as an operator's injected crash does. It returns when the
// next actor is made, or when the link has ended because the Spec does not allow a restart. Like
// all injected crashes it loses no message and the Spec's Intensity does not count it; a panic of
// the protocol's own code does both.
func (e *End) Crash() {
	e.tb.Helper()
	e.crash(e.Self(), e.gone)
}

// CrashService does the same with the end's service, which the Spec must have.
func (e *End) CrashService() {
	e.tb.Helper()
	if e.Service() == nil {
		e.tb.Fatalf("end %s: the Spec has no Service", e.name)
	}
	e.crash(e.Service(), nil)
}

func (e *End) crash(pid *actor.PID, ended <-chan struct{}) {
	e.tb.Helper()
	before, _ := e.steps.from(0)
	supervise.Send(e.root, pid, &supervise.Inject{})
	if !e.awaitStep(pid, len(before), ended, func(s Step) bool { return s.Event == Restarted && s.Injected }) {
		e.tb.Fatalf("end %s: no restart within %v", e.name, patience)
	}
}

// Tell sends a message to an actor, such as the end's own (Self) or its Service, as other actors
// of the node do.
func (e *End) Tell(pid *actor.PID, msg any) { supervise.Send(e.root, pid, msg) }

// awaitStep waits for a step of an actor, ignoring the end's first skip steps. It returns true as
// well when ended closes, and false when patience has run out.
func (e *End) awaitStep(of *actor.PID, skip int, ended <-chan struct{}, wanted func(Step) bool) bool {
	overdue := time.NewTimer(patience)
	defer overdue.Stop()
	self := supervise.Path(of)
	for {
		news, more := e.steps.from(skip)
		for _, s := range news {
			if s.Actor == self && wanted(s) {
				return true
			}
		}
		select {
		case <-more:
		case <-ended:
			return true
		case <-overdue.C:
			return false
		}
	}
}

// Pause stops this end from reading, without notifying it: for the other end it is a remote that
// sends and does not read. Resume ends the pause.
func (e *End) Pause() { e.conn.in.hold(true) }

// Resume ends the effect of Pause.
func (e *End) Resume() { e.conn.in.hold(false) }

// Wait waits for the end of the link, until this end's actors are gone, and returns the cause.
func (e *End) Wait() *protocols.Cause {
	e.tb.Helper()
	if !closes(e.gone) {
		e.tb.Fatalf("end %s: the link has not ended within %v", e.name, patience)
	}
	return e.link.Cause()
}

// closes waits for a channel to close. It returns false when patience has run out.
func closes(ch <-chan struct{}) bool {
	overdue := time.NewTimer(patience)
	defer overdue.Stop()
	select {
	case <-ch:
		return true
	case <-overdue.C:
		return false
	}
}

// Cause returns why the link ended, nil while it is alive.
func (e *End) Cause() *protocols.Cause { return e.link.Cause() }

// PeerInfo returns what lists of peers show about the protocol at this end: the result of the
// Spec's hook, "handshake" or "unknown".
func (e *End) PeerInfo() any { return protocols.PeerInfo(e.link.Host(e.protocol)) }

// Steps returns the lifecycle steps of this end's actors so far.
func (e *End) Steps() []Step {
	steps, _ := e.steps.from(0)
	return steps
}

// Restarts returns how often the protocol's actor was restarted so far.
func (e *End) Restarts() int {
	n, self := 0, supervise.Path(e.Self())
	for _, s := range e.Steps() {
		if s.Event == Restarted && s.Actor == self {
			n++
		}
	}
	return n
}

package protocoltest

import (
	"reflect"
	"time"

	"github.com/troupe-p2p/troupe/protocols"
)

// FillOutbox sends a message repeatedly until the end's outbox is full and stays full, and
// returns how often the message was queued. From then on each Send is refused with
// protocols.ErrOutboxFull until the other end, which must be in [End.Pause], reads again. The
// other end must be able to handle the message, and it must not be Urgent.
//
// Meanwhile the end's actor is busy writing, as on a real link; it receives one Drained when
// there is room. [FullOutboxAt] makes the actor find its own outbox full.
func (e *End) FillOutbox(msg any) int {
	e.tb.Helper()
	out := e.conn.out
	if !out.isHeld() {
		e.tb.Fatalf("end %s: fill the outbox: the other end still reads; call its Pause first", e.name)
	}
	for queued, stuck := 0, false; ; {
		switch err := e.Send(msg); err {
		case nil:
			queued++
		case protocols.ErrOutboxFull:
			if stuck {
				return queued
			}
			// While the connection accepts bytes, the outbox may get room again.
			if stuck = out.awaitStuck(); !stuck {
				e.tb.Fatalf("end %s: fill the outbox: nothing is written within %v; the actor is busy or the link has ended: %v", e.name, patience, e.Cause())
			}
		default:
			e.tb.Fatalf("end %s: fill the outbox with %T: %v", e.name, msg, err)
		}
	}
}

func (s *stream) isHeld() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.held
}

// awaitStuck waits until a writer waits for room. It returns false when patience has run out.
func (s *stream) awaitStuck() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	overdue := false
	alarm := time.AfterFunc(patience, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		overdue = true
		s.changed.Broadcast()
	})
	defer alarm.Stop()
	for !s.stuck && !overdue && s.writer.err == nil {
		s.wait()
	}
	return s.stuck
}

// Await waits for the first T for which wanted returns true among the messages that a [ByHand]
// end has received, and skips all others. A nil wanted accepts any T. Only the test's own
// goroutine may call it.
func Await[T any](e *End, wanted func(*T) bool) *T {
	e.tb.Helper()
	for {
		if v, ok := e.next(reflect.TypeFor[T]()).(*T); ok && (wanted == nil || wanted(v)) {
			return v
		}
	}
}

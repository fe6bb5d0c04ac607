package protocoltest

import (
	"reflect"
	"time"

	"github.com/troupe-p2p/troupe/protocols"
)

// FillOutbox sends a message again and again until the end's outbox is full and stays so,
// and says how often it was queued: from then on each Send is refused with
// protocols.ErrOutboxFull until the other end, which must be in [End.Pause], reads again.
// The message is one that the other end can live with, and that is not Urgent.
//
// The end's actor is busy with writing meanwhile, as on a real link, and gets one Drained
// when there is room. [FullOutboxAt] lets the actor find its own outbox full.
func (e *End) FillOutbox(msg any) int {
	e.tb.Helper()
	out := e.conn.out
	if !out.isHeld() {
		e.tb.Fatalf("end %s: its outbox can't be filled while the other end reads: Pause that first", e.name)
	}
	for queued, stuck := 0, false; ; {
		switch err := e.Send(msg); err {
		case nil:
			queued++
		case protocols.ErrOutboxFull:
			if stuck {
				return queued
			}
			// While the connection takes more, the outbox is about to have room.
			if stuck = out.awaitStuck(); !stuck {
				e.tb.Fatalf("end %s: nothing is written in %v, by an actor that is busy or a link that ended: %v", e.name, patience, e.Cause())
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

// awaitStuck waits until a writer waits for room; false is the end of its patience.
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

// Await takes messages that an end made with [ByHand] has received, as [Next] does, up to
// the first T that is wanted, and passes over all others. A nil wanted takes any T. It is
// called by the test's own goroutine.
func Await[T any](e *End, wanted func(*T) bool) *T {
	e.tb.Helper()
	for {
		if v, ok := e.next(reflect.TypeFor[T]()).(*T); ok && (wanted == nil || wanted(v)) {
			return v
		}
	}
}

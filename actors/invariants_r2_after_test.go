package actors

import (
	"testing"
	"testing/synctest"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/troupe-p2p/troupe/actors/actortest"
)

// TestR2OwnHandleAfterAHandler: what the own handle sends counts as an answer only while a
// handler is at work, however that handler ended.
func TestR2OwnHandleAfterAHandler(t *testing.T) {
	for _, tt := range []struct {
		name    string
		message func(s *script) error
	}{
		{"it returned", func(*script) error { return nil }},
		{"it crashed", func(*script) error { panic("told to") }},
		{"it holds the host", func(s *script) error { s.Hold(true); return nil }},
		{"it had room again", func(s *script) error {
			for s.Send(1, noise(10_000)) == nil {
			}
			return nil
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			actortest.Bubble(t, func(t *testing.T) {
				s := &script{}
				s.message = func(actor.Context, Inbound) error { return tt.message(s) }
				r := meet(t, s.protocol("a"))
				r.send(16, nil)
				synctest.Wait()
				for s.outbox.fill() > 0 || s.outbox.over() {
					r.expect(17)
					synctest.Wait()
				}
				filled := make(chan struct{})
				s.tell(func(actor.Context) {
					defer close(filled)
					for s.Send(1, noise(10_000)) == nil {
					}
				})
				<-filled
				if s.outbox.over() {
					t.Errorf("the remote is held back: %d bytes of answers wait, one is owed: %v",
						s.outbox.answers.Load(), s.outbox.answerOwed.Load())
				}
				r.conn.Close()
			})
		})
	}
}

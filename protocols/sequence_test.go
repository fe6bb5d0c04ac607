package protocols_test

import (
	"errors"
	"iter"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/troupe-p2p/troupe/protocols"
	"github.com/troupe-p2p/troupe/protocols/protocoltest"
)

// upTo yields n messages of a size, and counts those that were pulled.
func upTo(n uint64, size int, pulled *int) iter.Seq[any] {
	payload := noise(size)
	return func(yield func(any) bool) {
		for range n {
			*pulled++
			if !yield(&text{B: payload}) {
				return
			}
		}
	}
}

// TestSequence answers with more than the outbox holds. The sequence is pulled as the remote
// reads; other messages wait for its end.
func TestSequence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n, size = 2000, 1000
		release := make(chan struct{})
		pulled, arrived := 0, 0
		var delivered []string
		spec := talk(func(ctx actor.Context, link *protocols.Link) {
			switch msg := ctx.Message().(type) {
			case *ask:
				if msg.N == 0 {
					delivered = append(delivered, "sequence")
					if err := link.SendSeq(upTo(n, size, &pulled)); err != nil {
						t.Error(err)
					}
					if err := link.SendSeq(upTo(1, 1, new(int))); err != protocols.ErrSeqActive {
						t.Errorf("second sequence: %v", err)
					}
					return
				}
				delivered = append(delivered, "ask")
				if err := link.Send(&answer{N: msg.N}); err != nil {
					t.Error(err)
				}
			}
		})
		reader := talk(func(ctx actor.Context, _ *protocols.Link) {
			switch ctx.Message().(type) {
			case *text:
				arrived++
				<-release
			case *answer:
				delivered = append(delivered, "answer") // the other actor is idle by then
			}
		})
		reader.Limits = protocols.Limits{Inbound: 10_000}
		p := protocoltest.NewPair(t, spec, reader, protocoltest.Buffer(10_000))
		send(t, p.B, &ask{N: 0})
		send(t, p.B, &ask{N: 1})
		synctest.Wait()
		if ahead := pulled * size; ahead > 300_000 {
			t.Errorf("%d bytes were pulled while the remote did not read", ahead)
		}
		if got := strings.Join(delivered, " "); got != "sequence" {
			t.Errorf("the actor received %q during its sequence", got)
		}
		close(release)
		synctest.Wait()
		if pulled != n || arrived != n {
			t.Errorf("%d pulled and %d arrived, want %d", pulled, arrived, n)
		}
		if got := strings.Join(delivered, " "); got != "sequence ask answer" {
			t.Errorf("the order was %q", got)
		}
	})
}

// TestSequenceFails: a message that cannot be sent is the actor's crash. The sequence is lost,
// and later messages are delivered to the next actor.
func TestSequenceFails(t *testing.T) {
	for name, c := range map[string]struct {
		bad  func(yield func(any) bool)
		want string
	}{
		"not a message": {func(yield func(any) bool) { yield("text") }, "string is not a message of talk/7"},
		"too large": {func(yield func(any) bool) {
			yield(&protocols.RawMessage{Code: rawCode, Payload: make([]byte, 1<<24)})
		}, protocols.ErrMessageTooLarge.Error()},
		"panic": {func(func(any) bool) { panic(errors.New("disk failed")) }, "disk failed"},
	} {
		t.Run(name, func(t *testing.T) {
			p := protocoltest.NewPair(t, talk(func(ctx actor.Context, link *protocols.Link) {
				if msg, ok := ctx.Message().(*ask); ok {
					if msg.N > 0 {
						if err := link.Send(&answer{N: msg.N}); err != nil {
							t.Error(err)
						}
						return
					}
					if err := link.SendSeq(func(yield func(any) bool) {
						if yield(&answer{N: 0}) {
							c.bad(yield)
						}
					}); err != nil {
						t.Error(err)
					}
				}
			}), byHand())
			send(t, p.B, &ask{N: 0})
			send(t, p.B, &ask{N: 1})
			for want := range uint64(2) {
				if got := protocoltest.Next[answer](p.B); got.N != want {
					t.Errorf("got answer %d, want %d", got.N, want)
				}
			}
			said := ""
			for _, s := range p.A.Steps() {
				if s.Event == protocoltest.Failed {
					said += s.Reason
				}
			}
			if !strings.Contains(said, c.want) {
				t.Errorf("the crash is %q, want %q in it", said, c.want)
			}
		})
	}
}

// TestSequenceEndsWithTheLink: the sequence's function returns, so that its deferred calls run.
func TestSequenceEndsWithTheLink(t *testing.T) {
	released := make(chan struct{})
	p := protocoltest.NewPair(t, talk(func(ctx actor.Context, link *protocols.Link) {
		if _, ok := ctx.Message().(*ask); ok {
			if err := link.SendSeq(func(yield func(any) bool) {
				defer close(released)
				for yield(&answer{}) {
				}
			}); err != nil {
				t.Error(err)
			}
		}
	}), talk(func(ctx actor.Context, link *protocols.Link) {
		if _, ok := ctx.Message().(*answer); ok {
			link.Disconnect(protocols.DiscRequested)
		}
	}))
	send(t, p.B, &ask{})
	p.A.Wait()
	<-released
}

// TestSequenceOfLargeMessages yields messages that find no room next to what is queued already:
// each waits until it can be queued alone.
func TestSequenceOfLargeMessages(t *testing.T) {
	const n, size = 5, 300_000
	spec := talk(func(ctx actor.Context, link *protocols.Link) {
		if _, ok := ctx.Message().(*ask); ok {
			if err := link.Send(&answer{}); err != nil {
				t.Error(err)
			}
			if err := link.SendSeq(upTo(n, size, new(int))); err != nil {
				t.Error(err)
			}
		}
	})
	spec.Limits = protocols.Limits{Outbox: 100_000}
	p := protocoltest.NewPair(t, spec, byHand())
	send(t, p.B, &ask{})
	send(t, p.B, &ask{})
	for range 2 {
		protocoltest.Next[answer](p.B)
		for range n {
			if got := protocoltest.Next[text](p.B); len(got.B) != size {
				t.Errorf("%d bytes arrived, want %d", len(got.B), size)
			}
		}
	}
	if n := p.A.Restarts(); n != 0 {
		t.Errorf("%d restarts", n)
	}
}

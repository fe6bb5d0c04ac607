package interop_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/ethereum/go-ethereum/p2p"

	"github.com/troupe-p2p/troupe/node/nodetest/fixture"
	"github.com/troupe-p2p/troupe/protocols"
)

// The largest messages that fit a frame.
const (
	largestPlain  = 1<<24 - 1  // of bytes that compress
	largestOnWire = 16_776_442 // of bytes that don't compress, with a one-byte code
)

// lotsOfNoise makes bytes for the large messages. They don't compress: snappy works on blocks
// of 64 KiB, and the noise repeats only after more than that.
func lotsOfNoise() []byte { return bytes.Repeat(fixture.Noise(), largestPlain/len(fixture.Noise())+2) }

// conversation says what each side sends over one protocol that go-ethereum and our node speak.
type conversation struct {
	name   string
	small  int // messages of 0 to 64 KiB
	medium int // messages above 1 MiB
	large  int // of the largest messages, of each kind
	bulk   []byte
}

func (c conversation) messages() int { return c.small + c.medium + 2*c.large }

// payloads returns what one side sends. The sequence is always the same for a seed, and hardly
// any two of its messages are equal.
func (c conversation) payloads(seed int) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for n := range c.small {
			size := (seed + n*7919) % 200
			if n%2 == 0 {
				size = (seed + n*7919) % (64<<10 + 1)
			}
			if !yield(fixture.Piece(seed+n, size)) {
				return
			}
		}
		for n := range c.medium {
			if from := seed + n; !yield(c.bulk[from : from+1<<20+1]) {
				return
			}
		}
		for range c.large {
			repeats := bytes.Repeat([]byte("troupe!"), largestPlain/7+1)[:largestPlain]
			if !yield(repeats) || !yield(c.bulk[seed:seed+largestOnWire]) {
				return
			}
		}
	}
}

const conversationCode = 1

// theirs is go-ethereum's side: it sends, and checks what it receives, at the same time.
func (c conversation) theirs(result chan<- error) p2p.Protocol {
	return p2p.Protocol{Name: c.name, Version: 1, Length: 2, Run: func(_ *p2p.Peer, rw p2p.MsgReadWriter) error {
		sent := make(chan error, 1)
		go func() {
			for payload := range c.payloads(1) {
				msg := p2p.Msg{Code: conversationCode, Size: uint32(len(payload)), Payload: bytes.NewReader(payload)}
				if err := rw.WriteMsg(msg); err != nil {
					sent <- err
					return
				}
			}
			sent <- nil
		}()
		err := c.receive(rw)
		result <- errors.Join(err, <-sent)
		return fixture.Drain(rw)
	}}
}

// receive checks what go-ethereum's side receives.
func (c conversation) receive(rw p2p.MsgReadWriter) error {
	n := 0
	for want := range c.payloads(2) {
		msg, err := rw.ReadMsg()
		if err != nil {
			return fmt.Errorf("message %d: %w", n, err)
		}
		got, err := io.ReadAll(msg.Payload)
		if err != nil {
			return fmt.Errorf("message %d: %w", n, err)
		}
		if msg.Code != conversationCode || !bytes.Equal(got, want) {
			return fmt.Errorf("message %d: code %d, %d bytes, not the %d expected", n, msg.Code, len(got), len(want))
		}
		n++
	}
	return nil
}

// ours is our side of the same conversation.
func (c conversation) ours(result chan<- error) protocols.Spec {
	return protocols.Spec{
		Name: c.name,
		Versions: []protocols.Version{{Number: 1, Length: 2, Messages: []protocols.Message{
			protocols.Ignore(), protocols.Raw(),
		}}},
		New: func() actor.Actor {
			t := &talk{conversation: c, result: result, sent: make(chan error, 1), room: make(chan struct{}, 1)}
			t.next, t.stop = iter.Pull(c.payloads(1))
			return t
		},
	}
}

// talk is the actor of our side. A goroutine sends while the actor receives.
type talk struct {
	conversation
	next   func() ([]byte, bool)
	stop   func()
	want   []byte // the next message
	got    int
	over   bool
	sent   chan error
	room   chan struct{} // the outbox has drained
	result chan<- error
}

func (t *talk) Receive(ctx actor.Context) {
	switch msg := ctx.Message().(type) {
	case *protocols.LinkUp:
		go func() { t.sent <- t.speak(msg.Link.Shared()) }()
		t.expect()
	case *protocols.Drained:
		t.room <- struct{}{}
	case *protocols.RawMessage:
		t.receive(msg)
	case *protocols.LinkDown:
		t.stop()
		if !t.over {
			t.result <- msg.Cause
		}
	}
}

// speak sends everything. First it tries messages that no frame can carry: Send must refuse
// them, and the link must survive.
func (t *talk) speak(link *protocols.Link) error {
	tooLarge := map[error]int{protocols.ErrFrameTooLarge: largestPlain, protocols.ErrMessageTooLarge: largestPlain + 1}
	for want, size := range tooLarge {
		if err := link.Send(&protocols.RawMessage{Code: conversationCode, Payload: t.bulk[:size]}); !errors.Is(err, want) {
			return fmt.Errorf("%d bytes of noise: %v, want %v", size, err, want)
		}
	}
	for payload := range t.payloads(2) {
		for {
			err := link.Send(&protocols.RawMessage{Code: conversationCode, Payload: payload})
			if err == nil {
				break
			}
			if err != protocols.ErrOutboxFull {
				return err
			}
			select {
			case <-t.room:
			case <-link.Context().Done():
				return context.Cause(link.Context())
			}
		}
	}
	return nil
}

func (t *talk) receive(msg *protocols.RawMessage) {
	switch {
	case t.over:
	case msg.Code != conversationCode || !bytes.Equal(msg.Payload, t.want):
		t.over = true
		t.result <- fmt.Errorf("message %d: %d bytes, not the %d expected", t.got, len(msg.Payload), len(t.want))
	default:
		t.got++
		t.expect()
	}
}

// expect prepares the next message, or reports the result after the last one.
func (t *talk) expect() {
	var more bool
	if t.want, more = t.next(); !more {
		t.over = true
		go func() { t.result <- <-t.sent }()
	}
}

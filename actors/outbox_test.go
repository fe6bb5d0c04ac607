package actors

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"testing"

	"github.com/troupe-p2p/troupe/wire"
)

func newOutbox(limit, high int) *outbox { return &outbox{limit: limit, high: high, pause: func() {}} }

// add offers one message as Host.Answer does.
func (o *outbox) add(code uint64, payload []byte) (request bool, err error) {
	return o.offer(code, payload, sendMode{owed: true})
}

// noise gives n bytes that don't compress.
func noise(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(b) // never fails
	return b
}

// mustAdd queues one message and reports whether the token must be requested.
func mustAdd(t *testing.T, o *outbox, code uint64, size int) (request bool) {
	t.Helper()
	request, err := o.add(code, noise(size))
	if err != nil {
		t.Fatalf("message of %d bytes: %v", size, err)
	}
	return request
}

func mustTake(t *testing.T, o *outbox) []byte {
	t.Helper()
	c, ok := o.take()
	if !ok {
		t.Fatal("nothing to take")
	}
	frames := bytes.Clone(c.frames())
	c.buf.release()
	return frames
}

// count returns the number of laid-out frames.
func count(frames []byte) (n int) {
	for ; len(frames) > 0; n++ {
		frames = frames[wire.FrameLen(frames):]
	}
	return n
}

func TestOutboxAsksOnceForTheToken(t *testing.T) {
	noBuffersLost(t)
	o := newOutbox(1<<20, 1<<18)
	if !mustAdd(t, o, 16, 10) {
		t.Error("the first message does not request the token")
	}
	if mustAdd(t, o, 17, 10) {
		t.Error("the second message requests the token again")
	}
	if got := count(mustTake(t, o)); got != 2 {
		t.Errorf("one grant writes %d frames, want both", got)
	}
	if o.answered() {
		t.Error("the token is requested though nothing is left")
	}
	if !mustAdd(t, o, 16, 10) {
		t.Error("the token is not requested after it was used")
	}
	mustAdd(t, o, 16, quantum)
	mustTake(t, o)
	if !o.answered() {
		t.Error("the token is not requested though there is more")
	}
	if mustAdd(t, o, 16, 10) {
		t.Error("the token is requested a second time")
	}
	o.close()
}

func TestOutboxAsksAtTheEndOfTheTurn(t *testing.T) {
	noBuffersLost(t)
	o := newOutbox(1<<20, 1<<18)
	o.beginTurn()
	if o.endTurn() {
		t.Error("an idle turn requests the token")
	}
	o.beginTurn()
	for range 2 {
		if mustAdd(t, o, 16, 1) {
			t.Error("the token is requested in the middle of a turn")
		}
	}
	if !o.endTurn() {
		t.Error("the token is not requested at the end of the turn")
	}
	o.beginTurn()
	mustAdd(t, o, 16, 1)
	if o.endTurn() {
		t.Error("the next turn requests the token a second time")
	}
	// After a crash, the peer has withdrawn the request.
	o.forgetRequest()
	o.beginTurn()
	if !o.endTurn() {
		t.Error("a new incarnation does not request the token for what the old one left")
	}
	o.close()
}

// TestOutboxRefuses is the table of what fits.
func TestOutboxRefuses(t *testing.T) {
	for _, tt := range []struct {
		name   string
		queued []int // sizes of the payloads that are queued before
		size   int
		want   error
	}{
		{"into an empty outbox", nil, 1000, nil},
		{"up to the limit", []int{1000, 1000}, 1000, nil},
		{"beyond the limit", []int{1000, 1000, 1000}, 1000, ErrOutboxFull},
		{"larger than the limit, alone", nil, 100_000, nil},
		{"larger than the limit, not alone", []int{0}, 100_000, ErrOutboxFull},
		{"an empty message beyond the limit", []int{100_000}, 0, ErrOutboxFull},
		{"larger than any message", nil, wire.MaxPayload + 1, wire.ErrMessageTooLarge},
		{"larger than any message, not alone", []int{1}, wire.MaxPayload + 1, wire.ErrMessageTooLarge},
	} {
		t.Run(tt.name, func(t *testing.T) {
			noBuffersLost(t)
			o := newOutbox(4096, 2048)
			defer o.close()
			for _, n := range tt.queued {
				mustAdd(t, o, 16, n)
			}
			before := o.fill()
			_, err := o.add(16, make([]byte, tt.size))
			if !errors.Is(err, tt.want) || (err == nil) != (tt.want == nil) {
				t.Fatalf("got %v, want %v", err, tt.want)
			}
			if err != nil && o.fill() != before {
				t.Errorf("refused, but %d bytes more are queued", o.fill()-before)
			}
		})
	}
}

// TestOutboxForgetsWhatCannotBeAFrame: a message that package wire refuses after the outbox has
// made room for it leaves nothing behind.
func TestOutboxForgetsWhatCannotBeAFrame(t *testing.T) {
	noBuffersLost(t)
	o := newOutbox(1<<20, 1<<18)
	defer o.close()
	if _, err := o.add(16, make([]byte, wire.MaxPayload)); !errors.Is(err, wire.ErrFrameTooLarge) {
		t.Fatalf("got %v, want %v", err, wire.ErrFrameTooLarge)
	}
	if c, ok := o.take(); ok || o.fill() != 0 {
		t.Errorf("%d bytes left in the outbox, %d to take", o.fill(), c.n)
	}
	if !mustAdd(t, o, 16, 5) {
		t.Error("the next message does not request the token")
	}
	mustAdd(t, o, 16, 5)
	if _, err := o.add(16, make([]byte, wire.MaxPayload)); !errors.Is(err, ErrOutboxFull) {
		t.Fatalf("got %v, want %v", err, ErrOutboxFull)
	}
	if got := count(mustTake(t, o)); got != 2 {
		t.Errorf("%d frames, want 2", got)
	}
}

// TestR7DrainedOnce: one Drained follows each run of refusals, when the refused message would be
// accepted.
func TestR7DrainedOnce(t *testing.T) {
	noBuffersLost(t)
	const limit = 4 * quantum
	o := newOutbox(limit, quantum)
	defer o.close()
	if o.drained() {
		t.Error("drained without a refusal")
	}
	fill := func() {
		for {
			if _, err := o.add(16, noise(quantum-100)); err != nil {
				return
			}
		}
	}
	fill()
	fill()
	for o.fill() > limit/2 {
		if o.drained() {
			t.Fatalf("drained with %d of %d bytes queued", o.fill(), limit)
		}
		mustTake(t, o)
	}
	if !o.drained() {
		t.Error("not drained though half of the limit is free")
	}
	if o.drained() {
		t.Error("drained twice")
	}
	fill()
	for o.fill() > 0 {
		mustTake(t, o)
	}
	if !o.drained() || o.drained() {
		t.Error("no Drained follows the second run of refusals")
	}
	// A message that needs more than half must not get Drained before it fits, or its sender
	// tries for ever.
	mustAdd(t, o, 16, quantum)
	mustAdd(t, o, 16, quantum/2)
	large := noise(3 * quantum)
	if _, err := o.add(16, large); !errors.Is(err, ErrOutboxFull) {
		t.Fatalf("got %v, want %v", err, ErrOutboxFull)
	}
	for !o.drained() {
		mustTake(t, o)
	}
	if _, err := o.add(16, large); err != nil {
		t.Errorf("drained with %d bytes queued, then the message is refused: %v", o.fill(), err)
	}
}

func TestOutboxClosed(t *testing.T) {
	noBuffersLost(t)
	o := newOutbox(4096, 2048)
	mustAdd(t, o, 16, 100)
	mustAdd(t, o, 16, 20_000-17_000)
	_, _ = o.add(16, noise(4096)) // refused
	o.close()
	if _, err := o.add(16, nil); !errors.Is(err, ErrLinkDown) {
		t.Errorf("got %v, want %v", err, ErrLinkDown)
	}
	if _, ok := o.take(); ok || o.fill() != 0 || o.drained() || o.answered() || o.over() {
		t.Error("a closed outbox still has something to do")
	}
}

// TestOutboxChunks: many small messages share buffers. A quiet link has a small buffer, a busy
// one has buffers of a quantum.
func TestOutboxChunks(t *testing.T) {
	noBuffersLost(t)
	o := newOutbox(1<<20, 1<<18)
	defer o.close()
	mustAdd(t, o, 16, 100)
	if got := o.chunks[0].buf.class; got != 0 {
		t.Errorf("one small message is in a buffer of class %d", got)
	}
	for o.fill() < 2*quantum {
		mustAdd(t, o, 16, 1000)
	}
	if len(o.chunks) > 3 {
		t.Errorf("%d bytes are in %d buffers", o.fill(), len(o.chunks))
	}
	for i, c := range o.chunks {
		if c.n >= quantum+2000 {
			t.Errorf("chunk %d has %d bytes, more than a grant may write", i, c.n)
		}
		if len(c.buf.b) != largeBuffer {
			t.Errorf("chunk %d is in a buffer of %d bytes", i, len(c.buf.b))
		}
	}
	if o.over() != (o.fill() > o.high) {
		t.Error("over disagrees with fill")
	}
}

// TestOutboxKeepsOrderAndContent: all frames come out complete, unchanged and in order, with and
// without compression.
func TestOutboxKeepsOrderAndContent(t *testing.T) {
	for _, snappy := range []bool{false, true} {
		noBuffersLost(t)
		o := newOutbox(64<<20, 64<<20)
		o.snappy = snappy
		var want []byte
		for i, size := range []int{0, 1, 60, 61, 3000, 4000, 70_000, 5, 300_000, 0, 65_000} {
			payload := append(noise(size/2), make([]byte, size-size/2)...)
			mustAddPayload(t, o, uint64(16+i), payload)
			var err error
			if want, err = appendBase(want, uint64(16+i), payload, snappy); err != nil {
				t.Fatal(err)
			}
		}
		var got []byte
		for o.fill() > 0 {
			got = append(got, mustTake(t, o)...)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("snappy %v: %d bytes of frames came out, %d went in", snappy, len(got), len(want))
		}
		o.close()
	}
}

func mustAddPayload(t *testing.T, o *outbox, code uint64, payload []byte) {
	t.Helper()
	if _, err := o.add(code, payload); err != nil {
		t.Fatal(err)
	}
}

// TestLargeMessagesHoldUpNothing: while a large message is compressed, others use the outbox, and
// the compression pauses again and again. What is admitted in the end is decided then.
func TestLargeMessagesHoldUpNothing(t *testing.T) {
	large, small := make([]byte, 8<<20), []byte("small")
	for _, tt := range []struct {
		name   string
		limit  int
		during func(o *outbox) // in each pause
		want   error
	}{
		{"nothing else", 1 << 20, func(*outbox) {}, nil},
		{"small messages of others", 1 << 20, func(o *outbox) { _, _ = o.offer(1, small, sendMode{}) }, nil},
		{"others fill it", 1000, func(o *outbox) { _, _ = o.offer(1, small, sendMode{}) }, ErrOutboxFull},
		{"the link ends", 1 << 20, (*outbox).close, ErrLinkDown},
	} {
		o := newOutbox(tt.limit, tt.limit)
		o.snappy = true
		pauses := 0
		o.pause = func() {
			if !o.mu.TryLock() {
				t.Fatalf("%s: the outbox is locked meanwhile", tt.name)
			}
			o.mu.Unlock()
			pauses++
			tt.during(o)
		}
		if _, err := o.offer(2, large, sendMode{owed: true}); err != tt.want {
			t.Errorf("%s: error %v, want %v", tt.name, err, tt.want)
		}
		if pauses != len(large)/largeStep {
			t.Errorf("%s: %d pauses", tt.name, pauses)
		}
		queued := 0
		for c, ok := o.take(); ok; c, ok = o.take() {
			queued += c.n
			c.buf.release()
		}
		if o.fill() != 0 || tt.want == nil && queued < len(large)/22 {
			t.Errorf("%s: %d bytes were queued, %d are left", tt.name, queued, o.fill())
		}
		if tt.want == ErrOutboxFull && o.refused.Load() == 0 {
			t.Errorf("%s: no Drained is owed", tt.name)
		}
	}
}

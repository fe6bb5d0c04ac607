package actors

import (
	"bytes"
	"errors"
	"slices"
	"sync"
	"testing"

	"github.com/troupe-p2p/troupe/wire"
)

func mustPrepare(t *testing.T, payload []byte) *Prepared {
	t.Helper()
	p, err := Prepare(payload)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func mustOffer(t *testing.T, o *outbox, code uint64, p *Prepared) {
	t.Helper()
	if _, err := o.offerPrepared(code, p, Refuse, sendMode{}); err != nil {
		t.Fatal(err)
	}
}

// TestPreparedFrames: a shared payload has the same bytes on each link as a message of the link's
// own, whatever its size and the messages next to it.
func TestPreparedFrames(t *testing.T) {
	noBuffersLost(t)
	sizes := []int{0, 1, 60, 61, 3000, 16<<10 - 60, 16 << 10}
	for _, class := range bufferClasses[:3] {
		for _, off := range []int{-200, -113, -112, -65, -64, -49, -48, 0} {
			sizes = append(sizes, class+off)
		}
	}
	for _, snappy := range []bool{true, false} {
		for _, size := range sizes {
			ours, shared := newOutbox(1<<20, 1<<18), newOutbox(1<<20, 1<<18)
			ours.snappy, shared.snappy = snappy, snappy
			payload := noise(size)
			p := mustPrepare(t, payload)
			for _, o := range []*outbox{ours, shared} {
				mustAdd(t, o, 17, 10)
				if o == shared {
					mustOffer(t, o, 0x80, p)
				} else if _, err := o.add(0x80, payload); err != nil {
					t.Fatal(err)
				}
				mustAdd(t, o, 18, 10)
			}
			if want, got := takeAll(t, ours), takeAll(t, shared); !bytes.Equal(got, want) {
				t.Errorf("%d bytes, snappy %v: %d bytes of frames, want %d, or different bytes", size, snappy, len(got), len(want))
			}
			if fill := shared.fill(); fill != 0 {
				t.Errorf("%d bytes are queued after all was taken", fill)
			}
			if want := map[bool]int{true: 1}[snappy]; p.Compressions() != want {
				t.Errorf("compressed %d times", p.Compressions())
			}
		}
	}
}

func takeAll(t *testing.T, o *outbox) (frames []byte) {
	for o.fill() > 0 {
		frames = append(frames, mustTake(t, o)...)
	}
	return frames
}

// TestPreparedIsCompressedOnce: the first link that takes it compresses it.
func TestPreparedIsCompressedOnce(t *testing.T) {
	noBuffersLost(t)
	p := mustPrepare(t, bytes.Repeat([]byte("once"), 25<<10))
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			o := newOutbox(1<<20, 1<<18)
			o.snappy = true
			if _, err := o.offerPrepared(16, p, Drop, sendMode{}); err != nil {
				t.Error(err)
			}
			if c, ok := o.take(); !ok || count(c.frames()) != 1 {
				t.Error("no frame")
			} else {
				c.buf.release()
			}
		})
	}
	wg.Wait()
	if n := p.Compressions(); n != 1 {
		t.Errorf("compressed %d times", n)
	}
}

// TestPreparedTakesNoMemory: a large shared payload is only a reference in each outbox until it
// is written.
func TestPreparedTakesNoMemory(t *testing.T) {
	noBuffersLost(t)
	p := mustPrepare(t, noise(100<<10))
	before := buffersOut.Load()
	boxes := make([]*outbox, 100)
	for i := range boxes {
		boxes[i] = newOutbox(1<<20, 1<<18)
		mustOffer(t, boxes[i], 16, p)
	}
	if n := buffersOut.Load() - before; n != 0 {
		t.Errorf("%d buffers are in use before anything is written", n)
	}
	for _, o := range boxes {
		o.close()
		if _, err := o.offerPrepared(16, p, Wait, sendMode{}); err != ErrLinkDown {
			t.Errorf("offer after close: %v", err)
		}
	}
}

// TestPreparedWithoutRoom: how each policy handles a full outbox.
func TestPreparedWithoutRoom(t *testing.T) {
	for name, c := range map[string]struct {
		full  Full
		most  int // messages of 100 KiB, of which ten fill the outbox
		drain bool
	}{
		"refuse": {Refuse, 10, true},
		"drop":   {Drop, 10, false},
		"wait":   {Wait, 20, false},
	} {
		t.Run(name, func(t *testing.T) {
			noBuffersLost(t)
			o := newOutbox(1025<<10, 1<<18)
			p := mustPrepare(t, noise(100<<10))
			taken := 0
			for {
				_, err := o.offerPrepared(16, p, c.full, sendMode{})
				if errors.Is(err, ErrOutboxFull) {
					break
				}
				if err != nil {
					t.Fatal(err)
				}
				taken++
			}
			if taken != c.most {
				t.Errorf("%d messages were queued, want %d", taken, c.most)
			}
			if o.drained() {
				t.Error("drained while full")
			}
			for range taken {
				mustTake(t, o)
			}
			if got := o.drained(); got != c.drain {
				t.Errorf("drained %v, want %v", got, c.drain)
			}
		})
	}
}

func TestPreparedTooLarge(t *testing.T) {
	if _, err := Prepare(make([]byte, wire.MaxPayload+1)); !errors.Is(err, wire.ErrMessageTooLarge) {
		t.Errorf("too large a payload: %v", err)
	}
	o := newOutbox(1<<20, 1<<18)
	o.snappy = true
	if _, err := o.offerPrepared(16, mustPrepare(t, noise(wire.MaxPayload)), Drop, sendMode{}); !errors.Is(err, wire.ErrFrameTooLarge) {
		t.Errorf("too large a frame: %v", err)
	}
	if o.fill() != 0 {
		t.Errorf("%d bytes are queued", o.fill())
	}
}

// TestUrgentGoesFirst: queued urgent messages are written first, each kind in its order, and bulk
// data does not block them.
func TestUrgentGoesFirst(t *testing.T) {
	noBuffersLost(t)
	o := newOutbox(200<<10, 100<<10)
	p := mustPrepare(t, noise(90<<10))
	mustAdd(t, o, 16, 100<<10)
	mustOffer(t, o, 17, p)
	if _, err := o.add(18, noise(10<<10)); err != ErrOutboxFull {
		t.Fatalf("the outbox is not full: %v", err)
	}
	for n := range uint64(1000) {
		_, err := o.offer(30+n, noise(1000), sendMode{urgent: true, owed: true})
		if err == ErrOutboxFull {
			if n < 30 || n > 80 {
				t.Errorf("%d urgent messages of a kilobyte found room beside a full outbox, which keeps 64 KiB for them", n)
			}
			break
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	var codes []uint64
	for _, frame := range split(takeAll(t, o)) {
		code, _, err := wire.ParseMessage(frame[wire.HeaderRoom:])
		if err != nil {
			t.Fatal(err)
		}
		codes = append(codes, code)
	}
	last := len(codes) - 2
	if !slices.IsSorted(codes[:last]) || codes[0] != 30 || codes[last] != 16 || codes[last+1] != 17 {
		t.Errorf("written in the order %d", codes)
	}
	if !o.drained() || o.drained() {
		t.Error("no Drained, or more than one, follows the refusals")
	}
}

// split returns the laid-out frames one by one.
func split(frames []byte) (all [][]byte) {
	for len(frames) > 0 {
		n := wire.FrameLen(frames)
		all = append(all, frames[:n])
		frames = frames[n:]
	}
	return all
}

package actors

import (
	"testing"
	"time"
)

// TestBatchCost: a batch costs its messages or the memory that it pins, whichever is more.
func TestBatchCost(t *testing.T) {
	noBuffersLost(t)
	for _, tt := range []struct {
		name    string
		sizes   []int // of payloads
		buffers []int // for each payload, which of two buffers contains it
		want    int64 // cost beyond the messages
	}{
		{"a small message pins a buffer", []int{1}, []int{0}, smallBuffer - 1 - itemOverhead},
		{"a full buffer", []int{4000, 32}, []int{0, 0}, 0},
		{"two buffers in turn are two buffers", []int{1, 1, 1, 1}, []int{0, 1, 0, 1}, 2*smallBuffer - 4*(1+itemOverhead)},
		{"many empty messages", make([]int, 100), make([]int, 100), 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bufs := [2]*buffer{getBuffer(smallBuffer), getBuffer(smallBuffer)}
			b := newBatch(time.Now())
			var items int64
			for i, n := range tt.sizes {
				b.items = append(b.items, item{payload: bufs[tt.buffers[i]].b[:n]})
				b.keep(bufs[tt.buffers[i]])
				items += int64(n) + itemOverhead
			}
			if got := b.seal(); got != tt.want {
				t.Errorf("batch costs %d more than its messages, want %d", got, tt.want)
			}
			if b.cost != items+max(0, tt.want) {
				t.Errorf("batch costs %d, want %d", b.cost, items+tt.want)
			}
			for _, buf := range bufs {
				buf.release()
			}
			b.free()
		})
	}
}

func TestBufferHolders(t *testing.T) {
	noBuffersLost(t)
	pool := NewPool(1 << 20)
	buf := getCharged(1, pool)
	if pool.Used() != smallBuffer {
		t.Errorf("a buffer of %d bytes is charged with %d", smallBuffer, pool.Used())
	}
	if buf.shared() {
		t.Error("a buffer with one holder is shared")
	}
	buf.hold()
	if !buf.shared() {
		t.Error("a buffer with two holders is not shared")
	}
	buf.release()
	if pool.Used() == 0 {
		t.Error("the buffer was released though it has a holder")
	}
	buf.release()
	if pool.Used() != 0 {
		t.Errorf("%d bytes still charged", pool.Used())
	}
	alone := getCharged(largeBuffer, NewPool(10))
	if alone == nil {
		t.Fatal("an empty pool refuses a buffer")
	}
	alone.release()
	small := NewPool(2 * smallBuffer)
	one, two := getCharged(smallBuffer, small), getCharged(smallBuffer, small)
	if getCharged(1, small) != nil {
		t.Error("a full pool gives a buffer")
	}
	one.release()
	two.release()
	defer func() {
		if recover() == nil {
			t.Error("a buffer can be released twice")
		}
	}()
	two.release()
}

func TestBufferClasses(t *testing.T) {
	noBuffersLost(t)
	for _, n := range []int{0, 1, smallBuffer, smallBuffer + 1, largeBuffer, largeBuffer + 1, 1 << 20, frameBound(1<<24 - 1)} {
		buf := getBuffer(n)
		if len(buf.b) < n {
			t.Errorf("a buffer for %d bytes has %d", n, len(buf.b))
		}
		buf.release()
	}
}

func TestInbox(t *testing.T) {
	noBuffersLost(t)
	batchOf := func() *batch {
		b, buf := newBatch(time.Now()), getBuffer(1)
		b.keep(buf)
		buf.release()
		return b
	}
	var in inbox
	first, second := batchOf(), batchOf()
	if !in.put(first) {
		t.Error("the first batch does not wake the host")
	}
	if in.put(second) {
		t.Error("the second batch wakes the host again")
	}
	got := in.take(nil)
	if len(got) != 2 || got[0] != first || got[1] != second {
		t.Fatalf("took %d batches, want two in order", len(got))
	}
	if !in.put(batchOf()) {
		t.Error("a batch for an empty inbox does not wake the host")
	}
	for range maxIdleQueue {
		in.put(batchOf())
	}
	in.close()
	if in.put(batchOf()) {
		t.Error("a batch for a closed inbox wakes the host")
	}
	if left := in.take(nil); len(left) != 0 {
		t.Errorf("%d batches in a closed inbox", len(left))
	}
	for _, b := range got {
		b.free()
	}
}

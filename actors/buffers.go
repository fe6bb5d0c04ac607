package actors

import (
	"sync"
	"sync/atomic"
)

// Buffers come in size classes. Most links are short or quiet, so every link starts with the
// smallest; the second class holds a quantum plus the worst case of one more compressed frame;
// the others are for single large frames.
var bufferClasses = [...]int{4 << 10, 72 << 10, 288 << 10, 1152 << 10, 4608 << 10, 20 << 20}

const (
	smallBuffer = 4 << 10
	largeBuffer = 72 << 10
)

var bufferPools [len(bufferClasses)]sync.Pool

// buffersOut counts the buffers in use; tests check it for leaks.
var buffersOut atomic.Int64

// buffer is pooled memory with one or more holders.
type buffer struct {
	b     []byte
	refs  atomic.Int32
	class int
	pool  *Pool // charged for the buffer until its release; nil for outbound buffers
}

// getBuffer returns a buffer of at least n bytes (its len is the size of its class) with one
// holder. n must not exceed the largest class, which holds any frame.
func getBuffer(n int) *buffer {
	class := 0
	for bufferClasses[class] < n {
		class++
	}
	buf, ok := bufferPools[class].Get().(*buffer)
	if !ok {
		buf = &buffer{b: make([]byte, bufferClasses[class]), class: class}
	}
	buf.refs.Store(1)
	buffersOut.Add(1)
	return buf
}

// getCharged returns a buffer that is charged to the pool while it is held, or nil if the pool
// has no room for it now.
func getCharged(n int, pool *Pool) *buffer {
	buf := getBuffer(n)
	if !pool.take(int64(len(buf.b))) {
		buf.release()
		return nil
	}
	buf.pool = pool
	return buf
}

// hold adds a holder.
func (b *buffer) hold() { b.refs.Add(1) }

// release ends one hold; the last one returns the buffer to its class.
func (b *buffer) release() {
	switch n := b.refs.Add(-1); {
	case n == 0:
		buffersOut.Add(-1)
		if b.pool != nil {
			b.pool.give(int64(len(b.b)))
			b.pool = nil
		}
		bufferPools[b.class].Put(b)
	case n < 0:
		panic("buffer released twice")
	}
}

// shared reports whether the buffer has another holder.
func (b *buffer) shared() bool { return b.refs.Load() > 1 }

package serve

import (
	"math/bits"
	"sync"
)

// maxFree is the size in bytes of the largest answer whose memory is used again.
const maxFree = 256 << 10

// memory is that of one answer.
type memory struct{ b []byte }

var free sync.Pool // of *memory

// getMemory returns an empty slice with room for so many bytes.
func getMemory(size int) []byte {
	if size > maxFree {
		return make([]byte, 0, size)
	}
	if m, ok := free.Get().(*memory); ok && cap(m.b) >= size {
		return m.b[:0]
	}
	return make([]byte, 0, 1<<bits.Len(uint(size))) // of a few sizes, so that most fit the next answer
}

// Free takes the memory of an answer back that a function of this package has returned. Nothing may use
// the answer later.
func Free(answer []byte) {
	if c := cap(answer); c > 0 && c <= 2*maxFree {
		free.Put(&memory{answer})
	}
}

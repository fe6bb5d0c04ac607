package serve_test

import (
	"bytes"
	"runtime"
	"testing"

	"github.com/ethereum/go-ethereum/common"

	"github.com/troupe-p2p/troupe/actors/actortest"
	"github.com/troupe-p2p/troupe/protocols/eth/chain"
	"github.com/troupe-p2p/troupe/protocols/eth/serve"
)

// TestFree: the memory of an answer is used again, for answers of other sizes too, and is not that of the
// blocks.
func TestFree(t *testing.T) {
	f := newFake(10, 20)
	var hashes []common.Hash
	for n := uint64(10); n < 30; n++ {
		f.put(chain.Body, n, append([]byte{0xb9, 0x10, 0x00}, bytes.Repeat([]byte{byte(n)}, 4<<10)...))
		hashes = append(hashes, f.hash(n))
	}
	var want [][]byte
	for n := range hashes {
		want = append(want, serve.Bodies(f, hashes[:n])) // kept
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	const rounds = 50
	size := 0
	for range rounds {
		for n := range hashes {
			answer := serve.Bodies(f, hashes[:n])
			if !bytes.Equal(answer, want[n]) {
				t.Fatalf("the answer with %d bodies has %d bytes, want %d", n, len(answer), len(want[n]))
			}
			size += len(answer)
			serve.Free(answer)
		}
	}
	runtime.ReadMemStats(&after)
	// The race detector makes a pool forget.
	if got := after.TotalAlloc - before.TotalAlloc; got > uint64(size)/4 && !actortest.Race {
		t.Errorf("%d bytes of answers took %d of new memory", size, got)
	}
}

package serve_test

import (
	"bytes"
	"testing"

	"github.com/ethereum/go-ethereum/common"

	"github.com/troupe-p2p/troupe/protocols/eth/chain"
	"github.com/troupe-p2p/troupe/protocols/eth/serve"
)

// TestMemory: what a Source has in memory is served without a read; everything else is a miss.
func TestMemory(t *testing.T) {
	f := newFake(10, 20)
	for n := uint64(10); n < 30; n++ {
		f.put(chain.Body, n, []byte{0xc2, 0xc0, 0xc0})
	}
	known := remembering{f, 10, 19}
	for _, c := range []struct {
		name   string
		answer func(serve.Source) []byte
		missed bool
	}{
		{"headers by number", func(s serve.Source) []byte { return serve.Headers(s, query(10, 10)) }, false},
		{"headers beyond", func(s serve.Source) []byte { return serve.Headers(s, query(10, 11)) }, true},
		{"headers by hash", func(s serve.Source) []byte { return serve.Headers(s, byHash(f.hash(12), 3)) }, false},
		{"headers by an unknown hash", func(s serve.Source) []byte { return serve.Headers(s, byHash(f.hash(20), 3)) }, true},
		{"bodies", func(s serve.Source) []byte { return serve.Bodies(s, []common.Hash{f.hash(10), f.hash(19)}) }, false},
		{"bodies beyond", func(s serve.Source) []byte { return serve.Bodies(s, []common.Hash{f.hash(19), f.hash(20)}) }, true},
		{"receipts, of which there are none", func(s serve.Source) []byte { return serve.Receipts69(s, []common.Hash{f.hash(10)}) }, true},
	} {
		memory := serve.MemoryOf(known)
		got := c.answer(memory)
		if memory.Missed() != c.missed {
			t.Errorf("%s: missed %v, want %v", c.name, memory.Missed(), c.missed)
		}
		if want := c.answer(f); !c.missed && !bytes.Equal(got, want) {
			t.Errorf("%s: %x from memory, want %x", c.name, got, want)
		}
	}
}

// remembering is a source that has some of its blocks in memory.
type remembering struct {
	*fake
	first, last uint64
}

func (r remembering) RecallNumber(hash common.Hash) (uint64, bool) {
	n, ok := r.Number(hash)
	return n, ok && n >= r.first && n <= r.last
}

func (r remembering) Recall(p chain.Part, n uint64) ([]byte, bool) {
	b, err := r.Read(p, n)
	return b, err == nil && n >= r.first && n <= r.last
}

func query(from, amount uint64) serve.HeadersQuery {
	return serve.HeadersQuery{Origin: serve.Origin{Number: from}, Amount: amount}
}

func byHash(hash common.Hash, amount uint64) serve.HeadersQuery {
	return serve.HeadersQuery{Origin: serve.Origin{Hash: hash}, Amount: amount}
}

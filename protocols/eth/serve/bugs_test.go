package serve_test

import (
	"bytes"
	"slices"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/rlp"

	"github.com/troupe-p2p/troupe/protocols/eth/chain"
	"github.com/troupe-p2p/troupe/protocols/eth/serve"
)

// The tests here are named by faults that other implementations had.

// checkQueries compares the headers that a chain of the blocks 10 to 30 has for queries.
func checkQueries(t *testing.T, cases map[serve.HeadersQuery][]uint64) {
	t.Helper()
	src := newFake(10, 21)
	for q, want := range cases {
		if got := numbersOf(t, serve.Headers(src, q)); !slices.Equal(got, want) {
			t.Errorf("%+v: got %v, want %v", q, got, want)
		}
	}
}

// origins are block 12 by number and by hash.
func origins() []serve.Origin {
	return []serve.Origin{{Number: 12}, {Hash: newFake(10, 21).hash(12)}}
}

// TestBug1SkipWraps: a step of 2^64 is no step. The header must not come 1,024 times (erigon #13931,
// go-ethereum #31522).
func TestBug1SkipWraps(t *testing.T) {
	cases := map[serve.HeadersQuery][]uint64{}
	for _, o := range origins() {
		for _, reverse := range []bool{true, false} {
			for _, skip := range []uint64{end, end - 1} {
				cases[serve.HeadersQuery{Origin: o, Amount: 1024, Skip: skip, Reverse: reverse}] = []uint64{12}
			}
		}
	}
	checkQueries(t, cases)
}

// TestBug2AmountZero: the amount 0 does not wrap to all there are (CVE-2024-32972, go-ethereum #29534).
func TestBug2AmountZero(t *testing.T) {
	cases := map[serve.HeadersQuery][]uint64{}
	for _, o := range origins() {
		cases[serve.HeadersQuery{Origin: o}] = nil
		cases[serve.HeadersQuery{Origin: o, Reverse: true}] = nil
		cases[serve.HeadersQuery{Origin: o, Skip: 1}] = nil
	}
	checkQueries(t, cases)
}

// TestBug3NumbersWrap: after block 2^64-1 comes none, and no amount is too large.
func TestBug3NumbersWrap(t *testing.T) {
	checkQueries(t, map[serve.HeadersQuery][]uint64{
		{Origin: serve.Origin{Number: end}, Amount: 2}:                 nil,
		{Origin: serve.Origin{Number: end}, Amount: end}:               nil,
		{Origin: serve.Origin{Number: 30}, Amount: end}:                {30},
		{Origin: serve.Origin{Number: 11}, Amount: end, Reverse: true}: {11, 10},
	})
}

// counting is a source that counts what is looked up in it.
type counting struct {
	*fake
	lookups int
}

func (c *counting) Number(hash common.Hash) (uint64, bool) {
	c.lookups++
	return c.fake.Number(hash)
}

// TestBug4RequestsWithoutCap: what a request asks for has a limit, and so has what is looked up for it
// (ethereumjs #1051).
func TestBug4RequestsWithoutCap(t *testing.T) {
	for name, answer := range map[string]func(serve.Source, []common.Hash) []byte{
		"bodies": serve.Bodies, "receipts": serve.Receipts69, "receipts/68": serve.Receipts68, "access lists": serve.AccessLists,
		"receipts/70": func(src serve.Source, hashes []common.Hash) []byte {
			list, _ := serve.Receipts70(src, hashes, 0)
			return list
		},
	} {
		src := &counting{fake: newFake(0, 1)}
		src.put(chain.Body, 0, []byte{0xc2, 0xc0, 0xc0})
		src.put(chain.Receipts, 0, []byte{0xc0})
		for _, hash := range []common.Hash{src.hash(0), {1}} {
			if got := len(items(t, answer(src, slices.Repeat([]common.Hash{hash}, 100_000)))); got > 1024 {
				t.Errorf("%s: %d items", name, got)
			}
		}
		if src.lookups > 2*1024 {
			t.Errorf("%s: %d hashes were looked up", name, src.lookups)
		}
	}
}

// TestBug8BeyondAMessage: no answer is larger than 10 MiB with all that is around its list, in no version
// (besu #10089, nethermind #13595).
func TestBug8BeyondAMessage(t *testing.T) {
	src := newFake(0, 2)
	hashes := []common.Hash{src.hash(0), src.hash(1)}
	src.put(chain.Receipts, 0, receiptsOf(1<<20))
	type answer struct {
		ID         uint64
		Incomplete bool
		List       rlp.RawValue
	}
	for less := range 8 { // from what does not fit to what does
		for first, receipts := range map[uint64][]byte{
			0: receiptsOf(serve.MaxMessage - 20*less),
			1: receiptsOf(1<<20, serve.MaxMessage-20*less), // of which a client has the first
			9: receiptsOf(serve.MaxMessage - 1<<20 - 30*less),
		} {
			src.put(chain.Receipts, 1, receipts)
			list70, incomplete := serve.Receipts70(src, hashes[1:], first)
			for name, list := range map[string][]byte{"68": serve.Receipts68(src, hashes), "69": serve.Receipts69(src, hashes), "69 alone": serve.Receipts69(src, hashes[1:]), "70": list70} {
				b, err := rlp.EncodeToBytes(&answer{ID: end, Incomplete: incomplete, List: list})
				if err != nil || len(b) > 10<<20 {
					t.Fatalf("eth/%s: an answer of %d bytes, %v", name, len(b), err)
				}
			}
		}
	}
}

// TestBug9MissingBlock: an answer ends before a block that is missing, since clients pair it with the
// request by position (bor #2341).
func TestBug9MissingBlock(t *testing.T) {
	src := newFake(0, 3)
	hashes := []common.Hash{src.hash(0), src.hash(1), src.hash(2)}
	for _, n := range []uint64{0, 2} {
		src.put(chain.Body, n, []byte{0xc2, 0xc0, 0xc0})
		src.put(chain.Receipts, n, []byte{0xc0})
	}
	list70, incomplete := serve.Receipts70(src, hashes, 0)
	for name, list := range map[string][]byte{
		"bodies": serve.Bodies(src, hashes), "receipts": serve.Receipts69(src, hashes), "receipts/68": serve.Receipts68(src, hashes), "receipts/70": list70,
	} {
		if got := len(items(t, list)); got != 1 || incomplete {
			t.Errorf("%s: %d items, incomplete %v", name, got, incomplete)
		}
	}
}

// TestBug10NothingToAdd: no answer is empty and incomplete, so that a client that asks until it has all comes to
// an end.
func TestBug10NothingToAdd(t *testing.T) {
	src := newFake(0, 2)
	src.put(chain.Receipts, 0, receiptsOf(serve.MaxMessage))
	src.put(chain.Receipts, 1, receiptsOf(100, serve.MaxMessage, 100))
	for _, c := range []struct {
		block, first uint64
		incomplete   bool
	}{{0, 0, false}, {0, 1, false}, {0, end, false}, {1, 0, true}, {1, 1, false}, {1, 2, false}, {1, 9, false}} {
		list, incomplete := serve.Receipts70(src, []common.Hash{src.hash(c.block)}, c.first)
		if incomplete != c.incomplete || incomplete && len(items(t, items(t, list)[0])) == 0 {
			t.Errorf("block %d from receipt %d: %d bytes, incomplete %v", c.block, c.first, len(list), incomplete)
		}
	}
}

// TestBug14MissingAccessList: a missing list is the empty string, at its place. An empty list is a valid one
// (ethrex #6744).
func TestBug14MissingAccessList(t *testing.T) {
	src := newFake(0, 3)
	src.put(chain.AccessList, 0, []byte{0xc0})
	src.put(chain.AccessList, 2, []byte{0xc1, 0xc0})
	got := serve.AccessLists(src, []common.Hash{src.hash(0), src.hash(1), {1}, src.hash(2)})
	if want := []byte{0xc5, 0xc0, 0x80, 0x80, 0xc1, 0xc0}; !bytes.Equal(got, want) {
		t.Errorf("%x, want %x", got, want)
	}
}

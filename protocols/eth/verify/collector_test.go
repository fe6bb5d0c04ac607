package verify_test

import (
	"bytes"
	"slices"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/rlp"

	"github.com/troupe-p2p/troupe/protocols/eth/chain"
	"github.com/troupe-p2p/troupe/protocols/eth/ethtest/testchain"
	"github.com/troupe-p2p/troupe/protocols/eth/serve"
	"github.com/troupe-p2p/troupe/protocols/eth/verify"
)

// receiptsOf returns the receipts of block n from one index to another.
func receiptsOf(t testing.TB, n uint64, from, to int) []byte {
	t.Helper()
	return listOf(itemsOf(t, testchain.Blocks(t)[n].Receipts)[from:to]...)
}

func itemsOf(t testing.TB, list []byte) (items [][]byte) {
	t.Helper()
	content, _, err := rlp.SplitList(list)
	for err == nil && len(content) > 0 {
		var rest []byte
		_, _, rest, err = rlp.Split(content)
		items, content = append(items, content[:len(content)-len(rest)]), rest
	}
	if err != nil {
		t.Fatal(err)
	}
	return items
}

// TestCollector takes the receipts of all blocks in the parts that serve cuts them into: block 14
// has 10.6 MB.
func TestCollector(t *testing.T) {
	src := newSource(t)
	asked := headers(t, 1, 600)
	c := verify.NewCollector(asked)
	cuts := 0
	for answers := 0; ; answers++ {
		first, hashes := c.Next()
		if len(hashes) == 0 {
			break
		}
		if answers > 100 {
			t.Fatal("no end")
		}
		list, incomplete := serve.Receipts70(src, hashes, first)
		more, err := c.Add(list, incomplete)
		if err != nil || more != incomplete {
			t.Fatalf("more %v, incomplete %v: %v", more, incomplete, err)
		}
		if more {
			cuts++
			if c.Held() == 0 {
				t.Error("nothing is held")
			}
		} else if c.Held() != 0 {
			t.Errorf("%d bytes are held", c.Held())
		}
	}
	for i, p := range c.Answer().Parts {
		if p.None() || !bytes.Equal(p.Encoded(), src.blocks[i+1].Receipts) {
			t.Fatalf("block %d: %+v", i+1, p.Header())
		}
	}
	if cuts == 0 {
		t.Error("no receipts came in parts")
	}
}

// answer70 is an answer to a request for receipts.
type answer70 struct {
	list       []byte
	incomplete bool
}

// several is a block of the test chain with a few receipts.
const several, count = 12, 3

func TestParts70(t *testing.T) {
	const n = several
	all := func(n uint64) []byte { return testchain.Blocks(t)[n].Receipts }
	part := func(from, to int) []byte { return receiptsOf(t, n, from, to) }
	empty := []byte{0xc0}
	for _, c := range []struct {
		name    string
		answers []answer70
		got     []uint64
		first   uint64 // that is asked for next
		wrong   verify.Field
	}{
		{"in two parts", []answer70{{listOf(part(0, 2)), true}, {listOf(part(2, count)), false}}, []uint64{n}, 0, ""},
		{"in three", []answer70{{listOf(part(0, 1)), true}, {listOf(part(1, 2)), true}, {listOf(part(2, count)), false}}, []uint64{n}, 0, ""},
		{"with the next block", []answer70{{listOf(part(0, 2)), true}, {listOf(part(2, count), all(n+1)), false}}, []uint64{n, n + 1}, 0, ""},
		{"after one of whole ones", []answer70{{listOf(part(0, 1)), true}, {listOf(part(1, count), all(n+1), empty), true}}, []uint64{n, n + 1}, 0, ""},
		{"the remote has no more", []answer70{{listOf(part(0, 2)), true}, {listOf(), false}}, nil, 2, ""},
		{"all in the first of two", []answer70{{listOf(part(0, count)), true}, {listOf(empty), false}}, []uint64{n}, 0, ""},

		{"the rest is another's", []answer70{{listOf(part(0, 2)), true}, {listOf(part(0, count)), false}}, nil, 0, verify.FieldReceipts},
		{"too little", []answer70{{listOf(part(0, 2)), true}, {listOf(part(2, count-1)), false}}, nil, 0, verify.FieldReceipts},
		{"too many blocks", []answer70{{listOf(part(0, 2)), true}, {listOf(part(2, count), all(n+1), all(n+2), all(n+3)), false}}, nil, 2, verify.FieldCount},
		{"a receipt is none", []answer70{{listOf(listOf(empty)), true}}, nil, 0, verify.FieldEncoding},
		{"receipts are a string", []answer70{{listOf([]byte{0x83, 1, 2, 3}), true}}, nil, 0, verify.FieldEncoding},
	} {
		collector := verify.NewCollector(headers(t, n, n+2))
		var err error
		for _, a := range c.answers {
			if err == nil {
				_, err = collector.Add(a.list, a.incomplete)
			}
		}
		wants(t, c.name, err, c.wrong)
		if first, _ := collector.Next(); c.wrong == "" && first != c.first {
			t.Errorf("%s: asks for receipt %d, want %d", c.name, first, c.first)
		}
		if got := numbers(collector.Answer()); !slices.Equal(got, c.got) {
			t.Errorf("%s: got %v, want %v", c.name, got, c.got)
		}
	}
}

// TestBug10IncompleteAndEmpty: an answer that says that there is more, and has nothing new, ends the
// collection.
func TestBug10IncompleteAndEmpty(t *testing.T) {
	const n = several
	asked := headers(t, n, n+2)
	for name, list := range map[string][]byte{"no block": listOf(), "no receipt": listOf([]byte{0xc0})} {
		_, err := verify.NewCollector(asked).Add(list, true)
		wants(t, name, err, verify.FieldIncomplete)
		c := verify.NewCollector(asked)
		if _, err := c.Add(listOf(receiptsOf(t, n, 0, 1)), true); err != nil {
			t.Fatal(err)
		}
		_, err = c.Add(list, true)
		wants(t, name+", later", err, verify.FieldIncomplete)
	}
	_, err := verify.NewCollector(asked[:1]).Add(listOf(testchain.Blocks(t)[n].Receipts, []byte{0xc0}), true)
	wants(t, "a block too many", err, verify.FieldCount)
}

// TestPartialBounds: receipts whose root cannot be checked yet are bounded by the header's gas.
func TestPartialBounds(t *testing.T) {
	const gas = 21000 * 100
	f := &types.Header{Number: zeroInt, Difficulty: zeroInt, BaseFee: zeroInt, GasUsed: gas, GasLimit: gas}
	header := func(change func(*types.Header)) []verify.Header {
		h, err := verify.DecodeHeader(changed(t, verify.Header{Fields: f}, change))
		if err != nil {
			t.Fatal(err)
		}
		return []verify.Header{h}
	}
	receipt := func(logs ...[]byte) []byte {
		return listOf([]byte{2}, []byte{1}, []byte{0x82, 0x52, 0x08}, listOf(logs...))
	}
	amsterdam := func(f *types.Header) {
		hash := crypto.Keccak256Hash()
		zero := uint64(0)
		f.WithdrawalsHash, f.BlobGasUsed, f.ExcessBlobGas, f.ParentBeaconRoot, f.RequestsHash, f.BlockAccessListHash = &hash, &zero, &zero, &hash, &hash, &hash
	}
	london := func(*types.Header) {}
	log := append([]byte{0xb9, 0xff, 0xfd}, make([]byte, 65533)...) // 64 KiB of logs
	for _, c := range []struct {
		name     string
		change   func(*types.Header)
		each     []byte // receipts of an answer, again and again
		answers  int    // that are good
		wrong    verify.Field
		notAfter int // bytes held at most
	}{
		{"receipts", london, listOf(slices.Repeat([][]byte{receipt()}, 30)...), 3, verify.FieldReceiptCount, 1 << 10},
		{"receipts since Amsterdam", amsterdam, listOf(slices.Repeat([][]byte{receipt()}, 30)...), 15, verify.FieldReceiptCount, 8 << 10},
		{"logs", london, listOf(receipt(log)), 4, verify.FieldLogs, 300 << 10},
		{"one by one", func(f *types.Header) { f.GasUsed, f.GasLimit = 1<<40, 1<<40 }, listOf(receipt()), 64, verify.FieldParts, 1 << 10},
		{"all at once", func(f *types.Header) { f.GasUsed, f.GasLimit = 1<<62, 1<<62 }, listOf(slices.Repeat([][]byte{receipt(log)}, 150)...), 6, verify.FieldSize, 64 << 20},
	} {
		collector := verify.NewCollector(header(c.change))
		answers := 0
		var err error
		for err == nil && answers < 1000 {
			if _, err = collector.Add(listOf(c.each), true); err == nil {
				answers++
			}
			if collector.Held() > c.notAfter {
				t.Errorf("%s: %d bytes are held", c.name, collector.Held())
			}
		}
		wants(t, c.name, err, c.wrong)
		if answers != c.answers {
			t.Errorf("%s: error %v after %d answers, want %d", c.name, err, answers, c.answers)
		}
	}
}

// source serves the test chain's receipts.
type source struct {
	blocks  []testchain.Block
	numbers map[common.Hash]uint64
}

func newSource(t testing.TB) source {
	s := source{testchain.Blocks(t), map[common.Hash]uint64{}}
	for n, b := range s.blocks {
		s.numbers[crypto.Keccak256Hash(b.Header)] = uint64(n)
	}
	return s
}

func (s source) Number(hash common.Hash) (uint64, bool) { n, ok := s.numbers[hash]; return n, ok }

func (s source) Side(common.Hash) ([]byte, bool) { return nil, false }

func (s source) Read(p chain.Part, n uint64) ([]byte, error) { return s.blocks[n].Receipts, nil }

// FuzzAnswers feeds bytes of a remote to all that checks answers. What comes out fits the headers.
func FuzzAnswers(f *testing.F) {
	const n = several
	asked := headers(f, n, n+1)
	blocks := testchain.Blocks(f)
	f.Add(listOf(blocks[n].Header, blocks[n+1].Header), false)
	f.Add(listOf(blocks[n].Body, blocks[n+1].Body), true)
	f.Add(listOf(blocks[n].Receipts, receiptsOf(f, n+1, 0, 0)), true)
	f.Add(listOf(receiptsOf(f, n, 0, count-1)), true)
	f.Add(listOf([]byte{0x80}, blocks[n+1].AccessList), false)
	f.Fuzz(func(t *testing.T, list []byte, incomplete bool) {
		for _, q := range []serve.HeadersQuery{{Origin: serve.Origin{Number: n}, Amount: 3}, {Origin: serve.Origin{Hash: asked[0].Hash}, Amount: 3, Skip: last, Reverse: true}} {
			if h, err := verify.Headers(q, list); err == nil && len(h) > 3 {
				t.Errorf("%d headers", len(h))
			}
		}
		for name, form := range forms {
			a, err := form.verify(asked, list)
			for i, p := range a.Parts {
				if err == nil && !p.None() && !bytes.Equal(p.Encoded(), partOf(blocks[n+uint64(i)], form.part)) {
					t.Errorf("%s of block %d: %x", name, p.Header().Number, p.Encoded())
				}
			}
		}
		c := verify.NewCollector(asked)
		for range 3 {
			if more, err := c.Add(list, incomplete); err != nil || !more {
				break
			}
		}
	})
}

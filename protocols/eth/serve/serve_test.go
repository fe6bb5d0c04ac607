package serve_test

import (
	"bytes"
	"fmt"
	"math/big"
	"slices"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/rlp"

	"github.com/troupe-p2p/troupe/protocols/eth/chain"
	"github.com/troupe-p2p/troupe/protocols/eth/serve"
)

const end = 1<<64 - 1

// fake is a chain of headers, with whatever else a test puts into it.
type fake struct {
	first   uint64
	headers [][]byte
	numbers map[common.Hash]uint64
	parts   map[chain.Part]map[uint64][]byte
	sides   map[common.Hash][]byte
	reads   int
}

func newFake(first, count uint64) *fake {
	f := &fake{first: first, numbers: map[common.Hash]uint64{}, parts: map[chain.Part]map[uint64][]byte{}, sides: map[common.Hash][]byte{}}
	var parent common.Hash
	for i := range count {
		b := encodedHeader(first+i, parent, "")
		parent = crypto.Keccak256Hash(b)
		f.headers = append(f.headers, b)
		f.numbers[parent] = first + i
	}
	return f
}

func encodedHeader(number uint64, parent common.Hash, extra string) []byte {
	b, err := rlp.EncodeToBytes(&types.Header{Number: new(big.Int).SetUint64(number), ParentHash: parent, Difficulty: new(big.Int), Extra: []byte(extra)})
	if err != nil {
		panic(err)
	}
	return b
}

func (f *fake) hash(n uint64) common.Hash { return crypto.Keccak256Hash(f.headers[n-f.first]) }

// put sets a part of a block.
func (f *fake) put(p chain.Part, n uint64, b []byte) {
	if f.parts[p] == nil {
		f.parts[p] = map[uint64][]byte{}
	}
	f.parts[p][n] = b
}

func (f *fake) Number(hash common.Hash) (uint64, bool) {
	n, ok := f.numbers[hash]
	return n, ok
}

func (f *fake) Side(hash common.Hash) ([]byte, bool) {
	b, ok := f.sides[hash]
	return b, ok
}

func (f *fake) Read(p chain.Part, n uint64) ([]byte, error) {
	f.reads++
	if p == chain.Header {
		if n < f.first || n-f.first >= uint64(len(f.headers)) {
			return nil, chain.ErrAbsent
		}
		return f.headers[n-f.first], nil
	}
	b, ok := f.parts[p][n]
	if !ok {
		return nil, chain.ErrAbsent
	}
	return b, nil
}

// items returns the items of an encoded list.
func items(t *testing.T, list []byte) (items [][]byte) {
	t.Helper()
	content, after, err := rlp.SplitList(list)
	if err != nil || len(after) != 0 {
		t.Fatalf("not one list: %v, %d bytes after it", err, len(after))
	}
	for len(content) > 0 {
		_, _, rest, err := rlp.Split(content)
		if err != nil {
			t.Fatal(err)
		}
		items, content = append(items, content[:len(content)-len(rest)]), rest
	}
	return items
}

func numbersOf(t *testing.T, list []byte) (numbers []uint64) {
	t.Helper()
	for _, item := range items(t, list) {
		var h types.Header
		if err := rlp.DecodeBytes(item, &h); err != nil {
			t.Fatal(err)
		}
		numbers = append(numbers, h.Number.Uint64())
	}
	return numbers
}

func TestHeaders(t *testing.T) {
	src := newFake(10, 21) // 10 to 30
	side := encodedHeader(25, src.hash(24), "side")
	side2 := encodedHeader(26, crypto.Keccak256Hash(side), "side")
	for _, b := range [][]byte{side, side2} {
		src.sides[crypto.Keccak256Hash(b)] = b
	}
	at := func(n uint64) serve.Origin { return serve.Origin{Number: n} }
	by := func(n uint64) serve.Origin { return serve.Origin{Hash: src.hash(n)} }
	off := serve.Origin{Hash: crypto.Keccak256Hash(side2)}
	for _, c := range []struct {
		name string
		q    serve.HeadersQuery
		want []uint64
	}{
		{"one", serve.HeadersQuery{Origin: at(12), Amount: 1}, []uint64{12}},
		{"a run", serve.HeadersQuery{Origin: at(12), Amount: 3}, []uint64{12, 13, 14}},
		{"a run back", serve.HeadersQuery{Origin: at(12), Amount: 2, Reverse: true}, []uint64{12, 11}},
		{"every third", serve.HeadersQuery{Origin: at(12), Amount: 3, Skip: 2}, []uint64{12, 15, 18}},
		{"every third, back", serve.HeadersQuery{Origin: at(18), Amount: 3, Skip: 2, Reverse: true}, []uint64{18, 15, 12}},
		{"past the head", serve.HeadersQuery{Origin: at(29), Amount: 9}, []uint64{29, 30}},
		{"past the first", serve.HeadersQuery{Origin: at(11), Amount: 9, Reverse: true}, []uint64{11, 10}},
		{"beyond the head", serve.HeadersQuery{Origin: at(31), Amount: 1}, nil},
		{"before the first", serve.HeadersQuery{Origin: at(9), Amount: 2}, nil},
		{"by hash", serve.HeadersQuery{Origin: by(12), Amount: 3}, []uint64{12, 13, 14}},
		{"by hash, back", serve.HeadersQuery{Origin: by(12), Amount: 3, Reverse: true}, []uint64{12, 11, 10}},
		{"by hash, every third", serve.HeadersQuery{Origin: by(12), Amount: 2, Skip: 2}, []uint64{12, 15}},
		{"by an unknown hash", serve.HeadersQuery{Origin: serve.Origin{Hash: common.Hash{1}}, Amount: 3}, nil},
		{"off the chain", serve.HeadersQuery{Origin: off, Amount: 3}, []uint64{26}},
		{"off the chain, back", serve.HeadersQuery{Origin: off, Amount: 4, Reverse: true}, []uint64{26, 25, 24, 23}},
		{"off the chain, every second, back", serve.HeadersQuery{Origin: off, Amount: 3, Skip: 1, Reverse: true}, []uint64{26, 24, 22}},
		{"off the chain, every third, back", serve.HeadersQuery{Origin: off, Amount: 3, Skip: 2, Reverse: true}, []uint64{26, 23, 20}},
		{"off the chain, skip 2^64-1, back", serve.HeadersQuery{Origin: off, Amount: 3, Skip: end, Reverse: true}, []uint64{26}},
		{"off the chain, one", serve.HeadersQuery{Origin: off, Amount: 1, Reverse: true}, []uint64{26}},
	} {
		if got := numbersOf(t, serve.Headers(src, c.q)); !slices.Equal(got, c.want) {
			t.Errorf("%s: got %v, want %v", c.name, got, c.want)
		}
	}
}

// TestHeadersAtTheEndOfNumbers: a chain that ends at the highest number is served up to there.
func TestHeadersAtTheEndOfNumbers(t *testing.T) {
	src := newFake(end-2, 3)
	got := numbersOf(t, serve.Headers(src, serve.HeadersQuery{Origin: serve.Origin{Number: end - 1}, Amount: 5}))
	if !slices.Equal(got, []uint64{end - 1, end}) {
		t.Errorf("got %v", got)
	}
}

// TestLimits: no answer has more than 1,024 items, and none is added beyond 2 MiB.
func TestLimits(t *testing.T) {
	src := newFake(0, 1500)
	big := bytes.Repeat([]byte{0x05}, 300<<10)
	item, err := rlp.EncodeToBytes([][]byte{big})
	if err != nil {
		t.Fatal(err)
	}
	var hashes []common.Hash
	for n := range uint64(1500) {
		hashes = append(hashes, src.hash(n))
		src.put(chain.Body, n, []byte{0xc2, 0xc0, 0xc0})
		src.put(chain.Receipts, n, []byte{0xc0})
		src.put(chain.AccessList, n, []byte{0xc0})
	}
	answers := map[string]func([]common.Hash) []byte{
		"headers": func([]common.Hash) []byte {
			return serve.Headers(src, serve.HeadersQuery{Amount: 1500})
		},
		"bodies":       func(h []common.Hash) []byte { return serve.Bodies(src, h) },
		"receipts":     func(h []common.Hash) []byte { return serve.Receipts69(src, h) },
		"receipts/68":  func(h []common.Hash) []byte { return serve.Receipts68(src, h) },
		"access lists": func(h []common.Hash) []byte { return serve.AccessLists(src, h) },
		"receipts/70": func(h []common.Hash) []byte {
			b, incomplete := serve.Receipts70(src, h, 0)
			if incomplete {
				t.Error("incomplete receipts of small blocks")
			}
			return b
		},
	}
	for name, answer := range answers {
		if n := len(items(t, answer(hashes))); n != 1024 {
			t.Errorf("%s: %d items, want 1,024", name, n)
		}
	}
	for n := range uint64(1500) {
		src.put(chain.Body, n, item)
		src.put(chain.AccessList, n, item)
	}
	for _, name := range []string{"bodies", "access lists"} {
		if n := len(items(t, answers[name](hashes))); n != 7 { // the seventh goes beyond 2 MiB
			t.Errorf("%s of 300 KiB: %d items, want 7", name, n)
		}
	}
	src.reads = 0
	many := slices.Repeat([]common.Hash{{1}}, 100_000)
	if got := len(items(t, serve.AccessLists(src, many))); got != 1024 {
		t.Errorf("access lists for 100,000 unknown hashes: %d items", got)
	}
	if got := len(items(t, serve.Bodies(src, many))) + src.reads; got != 0 {
		t.Errorf("bodies for unknown hashes: %d items and reads", got)
	}
}

// receiptsOf returns a block's receipts of the given sizes in bytes, each with its index as the
// gas.
func receiptsOf(sizes ...int) []byte {
	var receipts []any
	for i, size := range sizes {
		log := []any{common.Address{}, []any{}, make([]byte, size)}
		receipts = append(receipts, []any{uint64(0), []byte{1}, uint64(i), []any{log}})
	}
	b, err := rlp.EncodeToBytes(receipts)
	if err != nil {
		panic(err)
	}
	return b
}

// TestReceiptsInParts asks as an eth/70 client does until it has all receipts.
func TestReceiptsInParts(t *testing.T) {
	const mib = 1 << 20
	src := newFake(0, 4)
	hashes := []common.Hash{src.hash(0), src.hash(1), src.hash(2), src.hash(3)}
	src.put(chain.Receipts, 0, receiptsOf(100, 100))
	src.put(chain.Receipts, 1, receiptsOf(mib/2, mib, 4*mib, 4*mib))
	src.put(chain.Receipts, 2, receiptsOf(9*mib, 100))
	src.put(chain.Receipts, 3, receiptsOf(11*mib))
	for _, c := range []struct {
		ask        []common.Hash
		first      uint64
		want       []string // for each block the indices of its receipts
		incomplete bool
	}{
		{hashes, 0, []string{"[0 1]", "[0 1]"}, true},
		{hashes[1:], 0, []string{"[0 1]"}, true},
		{hashes[1:], 2, []string{"[2]"}, true},  // beyond the soft limit by itself
		{hashes[1:], 3, []string{"[3]"}, false}, // likewise
		{hashes[2:], 0, []string{"[0]"}, true},
		{hashes[2:], 1, []string{"[1]"}, false}, // not one receipt of the next fits
		{hashes[3:], 0, nil, false},
		{hashes[:1], 2, []string{"[]"}, false},
		{hashes[:1], end, []string{"[]"}, false},
		{nil, 0, nil, false},
	} {
		got, incomplete := serve.Receipts70(src, c.ask, c.first)
		var indices []string
		for _, block := range items(t, got) {
			in := []uint64{}
			for _, r := range items(t, block) {
				fields := items(t, r)
				var gas uint64
				if err := rlp.DecodeBytes(fields[2], &gas); err != nil {
					t.Fatal(err)
				}
				in = append(in, gas)
			}
			indices = append(indices, fmt.Sprint(in))
		}
		if !slices.Equal(indices, c.want) || incomplete != c.incomplete {
			t.Errorf("%d blocks from receipt %d: %v, %v, want %v, %v", len(c.ask), c.first, indices, incomplete, c.want, c.incomplete)
		}
		if len(got) > serve.MaxMessage-16 {
			t.Errorf("an answer of %d bytes", len(got))
		}
	}
}

// TestReceiptsBeyondAMessageCostNothing: receipts that do not fit in a message are not brought into
// another form first.
func TestReceiptsBeyondAMessageCostNothing(t *testing.T) {
	src := newFake(0, 1)
	hashes := []common.Hash{src.hash(0)}
	src.put(chain.Receipts, 0, receiptsOf(make([]int, serve.MaxMessage/20)...))
	if n := testing.AllocsPerRun(10, func() { serve.Receipts68(src, hashes) }); n > 10 {
		t.Errorf("%v allocations for an empty answer", n)
	}
}

package verify_test

import (
	"bytes"
	"runtime"
	"slices"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/rlp"
	"github.com/ethereum/go-ethereum/trie"

	"github.com/troupe-p2p/troupe/protocols/eth/chain"
	"github.com/troupe-p2p/troupe/protocols/eth/ethtest/testchain"
	"github.com/troupe-p2p/troupe/protocols/eth/serve"
	"github.com/troupe-p2p/troupe/protocols/eth/verify"
)

// forms are the ways to answer with parts of blocks.
var forms = map[string]struct {
	part   chain.Part
	verify func([]verify.Header, []byte) (verify.Answer, error)
	item   func(testchain.Block) []byte
}{
	"bodies": {chain.Body, verify.Bodies, func(b testchain.Block) []byte { return b.Body }},
	"receipts of eth/68": {chain.Receipts, verify.Receipts68, func(b testchain.Block) []byte {
		consensus, err := chain.ConsensusReceipts(b.Receipts)
		if err != nil {
			panic(err)
		}
		return consensus
	}},
	"receipts of eth/69": {chain.Receipts, verify.Receipts69, func(b testchain.Block) []byte { return b.Receipts }},
	"receipts of eth/70": {chain.Receipts, func(h []verify.Header, list []byte) (verify.Answer, error) {
		c := verify.NewCollector(h)
		_, err := c.Add(list, false)
		return c.Answer(), err
	}, func(b testchain.Block) []byte { return b.Receipts }},
	"access lists": {chain.AccessList, verify.AccessLists, func(b testchain.Block) []byte { return b.AccessList }},
}

func partOf(b testchain.Block, p chain.Part) []byte {
	return map[chain.Part][]byte{chain.Body: b.Body, chain.Receipts: b.Receipts, chain.AccessList: b.AccessList}[p]
}

// TestParts takes all parts of the test chain's blocks, in each form, and compares them.
func TestParts(t *testing.T) {
	blocks := testchain.Blocks(t)
	for name, form := range forms {
		from := uint64(1)
		if form.part == chain.AccessList {
			from = 36 // of Amsterdam
		}
		list := headers(t, from, 600)
		var items [][]byte
		for _, b := range blocks[from:] {
			items = append(items, form.item(b))
		}
		answer := listOf(items...)
		got, err := form.verify(list, answer)
		wants(t, name, err, "")
		clear(answer) // parts are copies
		if got.Spoken != len(list) {
			t.Errorf("%s: speaks of %d blocks, want %d", name, got.Spoken, len(list))
		}
		for i, p := range got.Parts {
			n := from + uint64(i)
			if p.None() || p.Kind() != form.part || p.Header().Number != n || !bytes.Equal(p.Encoded(), partOf(blocks[n], form.part)) {
				t.Fatalf("%s of block %d: %+v", name, n, p)
			}
		}
	}
}

// TestAnswersWithLess: an answer may have fewer parts than asked for, also none.
func TestAnswersWithLess(t *testing.T) {
	blocks, asked := testchain.Blocks(t), headers(t, 50, 55)
	for name, form := range forms {
		for _, c := range []struct {
			given  []uint64
			spoken int
		}{{nil, 0}, {[]uint64{50}, 1}, {[]uint64{50, 51, 52}, 3}} {
			var items [][]byte
			for _, n := range c.given {
				items = append(items, form.item(blocks[n]))
			}
			got, err := form.verify(asked, listOf(items...))
			wants(t, name, err, "")
			if !slices.Equal(numbers(got), c.given) || got.Spoken != c.spoken {
				t.Errorf("%s: got %v of %v, speaks of %d", name, numbers(got), c.given, got.Spoken)
			}
		}
	}
}

// TestWrongParts: what belongs to no block of the request is refused, and the error names the field.
func TestWrongParts(t *testing.T) {
	blocks, asked := testchain.Blocks(t), headers(t, 50, 52)
	fields := map[string]verify.Field{
		"bodies": verify.FieldTransactions, "receipts of eth/68": verify.FieldReceipts, "receipts of eth/69": verify.FieldReceipts,
		"receipts of eth/70": verify.FieldReceipts, "access lists": verify.FieldAccessList,
	}
	for name, form := range forms {
		item := func(n int) []byte { return form.item(blocks[n]) }
		for _, c := range []struct {
			name  string
			list  []byte
			wrong verify.Field
		}{
			{"another block's", listOf(item(60)), fields[name]},
			{"another block's second", listOf(item(50), item(60)), fields[name]},
			{"each the block's before", listOf(item(51), item(52), item(53)), fields[name]},
			{"too many", listOf(item(50), item(51), item(52), item(53)), verify.FieldCount},
			{"no list", []byte{0x80}, verify.FieldEncoding},
			{"bytes after", append(listOf(item(50)), 0), verify.FieldEncoding},
			{"a string", listOf([]byte{0x83, 1, 2, 3}), verify.FieldEncoding},
			{"cut", listOf(item(50))[:9], verify.FieldEncoding},
		} {
			got, err := form.verify(asked, c.list)
			wants(t, name+", "+c.name, err, c.wrong)
			if name != "receipts of eth/70" && len(numbers(got)) != 0 {
				t.Errorf("%s, %s: parts of %v", name, c.name, numbers(got))
			}
		}
	}
}

// TestBodyFields spoils one root after the other.
func TestBodyFields(t *testing.T) {
	h, body := headers(t, 50, 50)[0], testchain.Blocks(t)[50].Body
	for field, change := range map[verify.Field]func(*types.Header){
		verify.FieldTransactions: func(f *types.Header) { f.TxHash = common.Hash{1} },
		verify.FieldUncles:       func(f *types.Header) { f.UncleHash = common.Hash{1} },
		verify.FieldWithdrawals:  func(f *types.Header) { f.WithdrawalsHash = &common.Hash{1} },
	} {
		other, err := verify.DecodeHeader(changed(t, h, change))
		if err != nil {
			t.Fatal(err)
		}
		_, err = verify.Bodies([]verify.Header{other}, listOf(body))
		wants(t, string(field), err, field)
	}
	old := &types.Header{Difficulty: zeroInt, Number: zeroInt, TxHash: types.EmptyTxsHash, UncleHash: types.EmptyUncleHash}
	before, err := verify.DecodeHeader(encode(t, old))
	if err != nil {
		t.Fatal(err)
	}
	_, err = verify.Bodies([]verify.Header{before}, listOf([]byte{0xc2, 0xc0, 0xc0}))
	wants(t, "no withdrawals before Shanghai", err, "")
	_, err = verify.Bodies([]verify.Header{before}, listOf([]byte{0xc3, 0xc0, 0xc0, 0xc0}))
	wants(t, "withdrawals before Shanghai", err, verify.FieldWithdrawals)
}

// TestWrongBloom: in eth/68 the remote sends the bloom.
func TestWrongBloom(t *testing.T) {
	asked, n := headers(t, 14, 14), testchain.Blocks(t)[14]
	consensus, err := chain.ConsensusReceipts(n.Receipts)
	if err != nil {
		t.Fatal(err)
	}
	at := bytes.Index(consensus, []byte{0xb9, 1, 0}) + 3
	consensus[at] ^= 1
	_, err = verify.Receipts68(asked, listOf(consensus))
	wants(t, "a wrong bloom", err, verify.FieldReceipts)
}

// TestBug9SkippedBlock: a server leaves out a block that it does not have. What follows is not taken
// for the missing one's (bor #2341).
func TestBug9SkippedBlock(t *testing.T) {
	blocks, asked := testchain.Blocks(t), headers(t, 50, 53)
	for name, form := range forms {
		items := [][]byte{form.item(blocks[50]), form.item(blocks[52])}
		if form.part == chain.AccessList {
			items = slices.Insert(items, 1, rlp.EmptyString)
		}
		got, err := form.verify(asked, listOf(items...))
		wants(t, name, err, "")
		if !slices.Equal(numbers(got), []uint64{50, 52}) || got.Spoken != 3 {
			t.Errorf("%s: got %v, speaks of %d", name, numbers(got), got.Spoken)
		}
		for _, p := range got.Parts {
			if !p.None() && !bytes.Equal(p.Encoded(), partOf(blocks[p.Header().Number], form.part)) {
				t.Errorf("%s: block %d has another's", name, p.Header().Number)
			}
		}
		if form.part == chain.AccessList {
			continue
		}
		_, err = form.verify(asked, listOf(form.item(blocks[52]), form.item(blocks[50])))
		wants(t, name+" out of order", err, map[chain.Part]verify.Field{chain.Body: verify.FieldTransactions, chain.Receipts: verify.FieldReceipts}[form.part])
	}
}

// TestBug14MissingAccessList: the empty string is a list that the remote lacks, an empty list is one
// that a header must name (ethrex #6744).
func TestBug14MissingAccessList(t *testing.T) {
	asked := headers(t, 50, 51)
	empty := changed(t, asked[0], func(f *types.Header) { h := common.Hash(emptyListHash); f.BlockAccessListHash = &h })
	h, err := verify.DecodeHeader(empty)
	if err != nil {
		t.Fatal(err)
	}
	before := headers(t, 10, 10)[0] // Amsterdam begins later
	list := []byte{0xc0}
	for _, c := range []struct {
		name    string
		headers []verify.Header
		items   [][]byte
		got     []uint64
		spoken  int
		wrong   verify.Field
	}{
		{"missing", asked, [][]byte{rlp.EmptyString, rlp.EmptyString}, nil, 2, ""},
		{"the second missing", asked, [][]byte{testchain.Blocks(t)[50].AccessList, rlp.EmptyString}, []uint64{50}, 2, ""},
		{"0xc0 for a missing one", asked, [][]byte{list}, nil, 0, verify.FieldAccessList},
		{"0xc0 for an empty one", []verify.Header{h}, [][]byte{list}, []uint64{50}, 1, ""},
		{"one for a block without", []verify.Header{before}, [][]byte{list}, nil, 0, verify.FieldAccessList},
		{"none for a block without", []verify.Header{before}, [][]byte{rlp.EmptyString}, nil, 1, ""},
	} {
		got, err := verify.AccessLists(c.headers, listOf(c.items...))
		wants(t, c.name, err, c.wrong)
		if !slices.Equal(numbers(got), c.got) || got.Spoken != c.spoken {
			t.Errorf("%s: got %v, speaks of %d", c.name, numbers(got), got.Spoken)
		}
	}
}

// TestBug16OneByteItems: 10 MiB of items of a byte each cost little more than their bytes. Decoded
// to structs they cost 24 times as much (reth #26913).
func TestBug16OneByteItems(t *testing.T) {
	asked := headers(t, 14, 15)
	many, none := listOf(bytes.Repeat([]byte{0xc0}, serve.MaxMessage-64)), []byte{0xc0}
	query := func(amount uint64) func([]byte) error {
		return func(b []byte) error { _, err := verify.Headers(serve.HeadersQuery{Amount: amount}, b); return err }
	}
	parts := func(verify func([]verify.Header, []byte) (verify.Answer, error)) func([]byte) error {
		return func(b []byte) error { _, err := verify(asked, b); return err }
	}
	collect := func(incomplete bool) func([]byte) error {
		return func(b []byte) error { _, err := verify.NewCollector(asked).Add(b, incomplete); return err }
	}
	for _, c := range []struct {
		name   string
		verify func([]byte) error
		answer []byte
		want   verify.Field
	}{
		{"headers", query(1024), many, verify.FieldCount},
		{"headers without end", query(last), many, verify.FieldCount},
		{"bodies", parts(verify.Bodies), many, verify.FieldCount},
		{"transactions", parts(verify.Bodies), listOf(listOf(many, none, none)), verify.FieldTxCount},
		{"withdrawals", parts(verify.Bodies), listOf(listOf(none, none, many)), verify.FieldEncoding},
		{"receipts of blocks", parts(verify.Receipts69), many, verify.FieldCount},
		{"receipts of a block", parts(verify.Receipts69), listOf(many), verify.FieldReceiptCount},
		{"receipts of eth/68", parts(verify.Receipts68), listOf(many), verify.FieldReceiptCount},
		{"receipts of eth/70", collect(false), listOf(many), verify.FieldReceiptCount},
		{"a part of receipts", collect(true), listOf(many), verify.FieldReceiptCount},
		{"access lists", parts(verify.AccessLists), many, verify.FieldCount},
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		err := c.verify(c.answer)
		runtime.ReadMemStats(&after)
		if got := after.TotalAlloc - before.TotalAlloc; got > 1<<20 {
			t.Errorf("%s: %d KiB for an answer of 10 MiB", c.name, got>>10)
		}
		wants(t, c.name, err, c.want)
	}
}

// TestOldRefunds: before London a refund took up to half of the gas, so that a block can have more
// transactions than its gas is multiples of 21,000.
func TestOldRefunds(t *testing.T) {
	h := func(gas uint64, london bool) verify.Header {
		receipts := types.Receipts{{Status: 1, CumulativeGasUsed: gas, Logs: []*types.Log{}}}
		f := &types.Header{Difficulty: zeroInt, Number: zeroInt, GasUsed: gas, GasLimit: gas,
			ReceiptHash: types.DeriveSha(receipts, trie.NewStackTrie(nil))}
		if london {
			f.BaseFee = zeroInt
		}
		h, err := verify.DecodeHeader(encode(t, f))
		if err != nil {
			t.Fatal(err)
		}
		return h
	}
	one := func(gas uint64) []byte {
		return listOf(encode(t, []any{[]any{uint64(0), uint64(1), gas, []any{}}}))
	}
	for _, c := range []struct {
		gas    uint64
		london bool
		wrong  verify.Field
	}{
		{13000, false, ""},
		{21000, true, ""},
		{20999, true, verify.FieldReceiptCount},
		{10499, false, verify.FieldReceiptCount},
	} {
		_, err := verify.Receipts69([]verify.Header{h(c.gas, c.london)}, one(c.gas))
		wants(t, "a receipt", err, c.wrong)
	}
}

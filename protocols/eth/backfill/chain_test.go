package backfill_test

import (
	"context"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/rlp"
	"github.com/ethereum/go-ethereum/trie"

	"github.com/troupe-p2p/troupe/protocols/eth/backfill"
	"github.com/troupe-p2p/troupe/protocols/eth/chain"
	"github.com/troupe-p2p/troupe/protocols/eth/history"
	"github.com/troupe-p2p/troupe/protocols/eth/verify"
)

// blocks are the encoded parts of a chain's blocks, from number 0 on.
type blocks struct {
	parts  [][3][]byte
	hashes []common.Hash
	number map[common.Hash]uint64
}

func (b *blocks) add(header, body, receipts []byte) {
	if b.number == nil {
		b.number = map[common.Hash]uint64{}
	}
	hash := crypto.Keccak256Hash(header)
	b.number[hash] = uint64(len(b.parts))
	b.parts = append(b.parts, [3][]byte{header, body, receipts})
	b.hashes = append(b.hashes, hash)
}

// Read implements history.Source.
func (b *blocks) Read(p chain.Part, n uint64) ([]byte, error) { return b.parts[n][p], nil }

func (b *blocks) last() common.Hash { return b.hashes[len(b.hashes)-1] }

func (b *blocks) genesis() *types.Block {
	h := new(types.Header)
	if err := rlp.DecodeBytes(b.parts[0][chain.Header], h); err != nil {
		panic(err)
	}
	return types.NewBlockWithHeader(h)
}

// before returns the total difficulty before block n.
func (b *blocks) before(n uint64) *big.Int {
	total := new(big.Int)
	for _, parts := range b.parts[:n] {
		var h types.Header
		if err := rlp.DecodeBytes(parts[chain.Header], &h); err != nil {
			panic(err)
		}
		total.Add(total, h.Difficulty)
	}
	return total
}

// fromFile returns the blocks of a file that begins with block 0.
func fromFile(t *testing.T, path string) *blocks {
	t.Helper()
	f, err := history.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b := &blocks{}
	_, count := f.Span()
	for n := range count {
		var parts [3][]byte
		for p := range parts {
			if parts[p], err = f.Read(chain.Part(p), n); err != nil {
				t.Fatal(err)
			}
		}
		b.add(parts[0], parts[1], parts[2])
	}
	return b
}

var testChain = filepath.Join("..", "history", "testdata", "unknown-00000-9d78f735-noproofs.ere")

// grow makes a chain of blocks of which every 50th has withdrawals, and every 40th a transaction. Those
// before the Merge have difficulty 2. Its headers are those of base up to fork.
func grow(base *blocks, fork, count, merge int, extra string) *blocks {
	return growWith(base, fork, count, merge, extra, 50, 40)
}

// dense is a chain of 601 blocks after the Merge that all have withdrawals and a transaction.
var dense = sync.OnceValue(func() *blocks { return growWith(nil, 0, 601, 0, "", 1, 1) })

func growWith(base *blocks, fork, count, merge int, extra string, withdrawals, receipt int) *blocks {
	b := &blocks{}
	for n := range count {
		if base != nil && n < fork {
			b.add(base.parts[n][0], base.parts[n][1], base.parts[n][2])
			continue
		}
		h := &types.Header{
			Number: big.NewInt(int64(n)), Difficulty: big.NewInt(2), Extra: []byte(extra), GasLimit: 30_000_000, GasUsed: 21000,
			TxHash: types.EmptyTxsHash, UncleHash: types.EmptyUncleHash, ReceiptHash: types.EmptyReceiptsHash,
		}
		if n > 0 {
			h.ParentHash = b.last()
		}
		content, receipts := types.Body{}, []byte{0xc0}
		if n >= merge {
			h.Difficulty = new(big.Int)
			content.Withdrawals = types.Withdrawals{}
			if n%withdrawals == 0 && n > 0 {
				content.Withdrawals = append(content.Withdrawals, &types.Withdrawal{Index: uint64(n), Amount: 7})
			}
			root := types.DeriveSha(types.Withdrawals(content.Withdrawals), trie.NewStackTrie(nil))
			h.WithdrawalsHash = &root
		}
		if n%receipt == 0 && n > 0 {
			tx := types.NewTx(&types.LegacyTx{Nonce: uint64(n), Gas: 21000, Value: new(big.Int), GasPrice: big.NewInt(7), V: big.NewInt(27), R: big.NewInt(1), S: big.NewInt(1)})
			content.Transactions = types.Transactions{tx}
			h.TxHash = types.DeriveSha(types.Transactions(content.Transactions), trie.NewStackTrie(nil))
			receipts = encode([]any{[]any{uint64(0), uint64(1), uint64(21000 + n), []any{}}})
			root, err := chain.ReceiptsRoot(receipts)
			if err != nil {
				panic(err)
			}
			h.ReceiptHash = root
		}
		body := encode(&content)
		b.add(encode(h), body, receipts)
	}
	return b
}

func encode(v any) []byte {
	b, err := rlp.EncodeToBytes(v)
	if err != nil {
		panic(err)
	}
	return b
}

// peer answers requests from a chain, and counts what it is asked for.
type peer struct {
	*blocks
	requests int
	served   [3]int
	cut      func(p chain.Part, items [][]byte) [][]byte // what of an answer there is
}

// answer returns the encoded list that answers a request.
func (p *peer) answer(r *backfill.Request) []byte {
	p.requests++
	var items [][]byte
	if r.Part == chain.Header {
		for n, ok := p.number[r.Query.Origin.Hash]; ok && len(items) < int(r.Query.Amount); n-- {
			items = append(items, p.parts[n][chain.Header])
			if n == 0 {
				break
			}
		}
	}
	for i := range r.Blocks {
		items = append(items, p.parts[p.number[r.Blocks[i].Hash]][r.Part])
	}
	p.served[r.Part] += len(items)
	if p.cut != nil {
		items = p.cut(r.Part, items)
	}
	return list(items)
}

func list(items [][]byte) []byte {
	raw := make([]rlp.RawValue, len(items))
	for i := range items {
		raw[i] = items[i]
	}
	return encode(raw)
}

// put checks an answer and puts what is in it.
func put(s *backfill.Sync, r *backfill.Request, answer []byte) (taken int, err error) {
	switch r.Part {
	case chain.Header:
		headers, err := verify.Headers(r.Query, answer)
		if err != nil {
			return 0, err
		}
		return s.PutHeaders(r, headers)
	case chain.Body:
		a, err := verify.Bodies(r.Blocks, answer)
		if err != nil {
			return 0, err
		}
		return s.PutParts(r, a.Parts)
	default:
		a, err := verify.Receipts69(r.Blocks, answer)
		if err != nil {
			return 0, err
		}
		return s.PutParts(r, a.Parts)
	}
}

// give answers a request as a peer does, and ends it.
func give(s *backfill.Sync, r *backfill.Request, p *peer) error {
	defer s.End(r)
	_, err := put(s, r, p.answer(r))
	return err
}

func open(t *testing.T, cfg backfill.Config) *backfill.Sync {
	t.Helper()
	s, err := backfill.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// step does what is next: an answer, or the writing of an epoch. It returns false when there is nothing.
func step(s *backfill.Sync, p *peer) (more bool, err error) {
	r, err := s.Next()
	if err != nil {
		return false, err
	}
	if r != nil {
		return true, give(s, r, p)
	}
	if !s.Status().Ready {
		return false, nil
	}
	_, err = s.Write(context.Background())
	return true, err
}

// run runs a download to its end.
func run(t *testing.T, s *backfill.Sync, p *peer) {
	t.Helper()
	for {
		more, err := step(s, p)
		if err != nil {
			t.Fatal(err)
		}
		if !more {
			break
		}
	}
	if st := s.Status(); !st.Done {
		t.Fatalf("nothing to do, and not done: %+v", st)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// content returns the files of a directory by name, and their sizes.
func content(t *testing.T, dir string) (list []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		list = append(list, e.Name())
	}
	return list
}

// checkDir verifies a directory, and that its files have the blocks from first on to the end of a chain.
func checkDir(t *testing.T, dir string, b *blocks, first uint64) {
	t.Helper()
	r, err := history.Verify(t.Context(), dir, nil)
	if err != nil || !r.Good() || !r.Checksums || len(r.Gaps) > 0 || len(r.Overlaps) > 0 || r.Unfinished {
		t.Fatalf("the files: %+v (%v)", r, err)
	}
	next := first
	for _, f := range r.Files {
		if f.First != next || f.Last != b.hashes[f.LastNumber()] || f.First%history.EpochSize != 0 {
			t.Fatalf("file %+v, want block %d next", f, next)
		}
		next = f.LastNumber() + 1
	}
	if next != uint64(len(b.parts)) {
		t.Fatalf("the files end before block %d, want %d", next, len(b.parts))
	}
	for _, name := range content(t, dir) {
		if strings.HasPrefix(name, ".") {
			t.Errorf("left: %s", name)
		}
	}
}

func name(b *blocks, epoch int) string {
	last := min(len(b.parts), (epoch+1)*history.EpochSize) - 1
	return fmt.Sprintf("unknown-%05d-%x-noproofs.ere", epoch, b.hashes[last][:4])
}

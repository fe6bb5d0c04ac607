package blobs_test

import (
	"context"
	"crypto/ecdsa"
	"encoding/binary"
	"iter"
	"math/big"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/crypto/kzg4844"
	"github.com/holiman/uint256"

	"github.com/troupe-p2p/troupe/protocols/eth/blobs"
	"github.com/troupe-p2p/troupe/protocols/eth/ethtest"
)

var key = sync.OnceValue(func() *ecdsa.PrivateKey {
	k, err := crypto.ToECDSA(crypto.Keccak256([]byte("blobs")))
	if err != nil {
		panic(err)
	}
	return k
})

// varied is two blobs, all of whose cells differ, with their cells and proofs. They take a second to make.
var varied = sync.OnceValue(func() *types.BlobTxSidecar {
	s := &types.BlobTxSidecar{Version: types.BlobSidecarVersion1}
	for i := range 2 {
		var blob kzg4844.Blob
		for j := 0; j < len(blob); j += 32 {
			binary.BigEndian.PutUint64(blob[j+24:], uint64(j+i+1))
		}
		c, err := kzg4844.BlobToCommitment(&blob)
		if err != nil {
			panic(err)
		}
		proofs, err := kzg4844.ComputeCellProofs(&blob)
		if err != nil {
			panic(err)
		}
		s.Blobs, s.Commitments, s.Proofs = append(s.Blobs, blob), append(s.Commitments, c), append(s.Proofs, proofs...)
	}
	return s
})

// cellsOf has the cells that tests have made. They do not run side by side.
var cellsOf = map[*types.BlobTxSidecar][]kzg4844.Cell{}

// transaction is a type-3 transaction with all that there is of it.
type transaction struct {
	full  *types.Transaction // with blobs
	tx    *types.Transaction // without
	cells []kzg4844.Cell     // of all columns
}

func (x *transaction) hash() common.Hash { return x.tx.Hash() }

func sign(s *types.BlobTxSidecar, nonce uint64) *transaction {
	signer := types.NewCancunSigner(big.NewInt(1))
	full := types.MustSignNewTx(key(), signer, &types.BlobTx{
		ChainID: uint256.NewInt(1), Nonce: nonce, GasTipCap: uint256.NewInt(1), GasFeeCap: uint256.NewInt(100), Gas: 100000,
		BlobFeeCap: uint256.NewInt(1), BlobHashes: s.BlobHashes(), Sidecar: s,
	})
	cells := cellsOf[s]
	if cells == nil {
		var err error
		if cells, err = kzg4844.ComputeCells(s.Blobs); err != nil {
			panic(err)
		}
		cellsOf[s] = cells
	}
	return &transaction{full: full, tx: ethtest.Elided(full), cells: cells}
}

// wrongProofs returns the body with proofs of another number.
func (x *transaction) wrongProofs(column int) *types.Transaction {
	s := x.tx.BlobTxSidecar().Copy()
	s.Proofs[column] = kzg4844.Proof(s.Commitments[0]) // a point of the group, and no proof
	return x.tx.WithBlobTxSidecar(s)
}

// answer returns the cells for some columns.
func (x *transaction) answer(mask types.CustodyBitmap) blobs.Cells {
	c := blobs.Cells{Hash: x.hash(), Mask: mask}
	for blob := range len(x.cells) / blobs.Columns {
		for _, column := range mask.Indices() {
			c.Cells = append(c.Cells, x.cells[blob*blobs.Columns+int(column)])
		}
	}
	return c
}

// wrongCells returns them with a bit changed in one.
func (x *transaction) wrongCells(mask types.CustodyBitmap) blobs.Cells {
	c := x.answer(mask)
	c.Cells[len(c.Cells)-1][31] ^= 1
	return c
}

var (
	all     = types.CustodyBitmapAll
	data    = types.CustodyBitmapData
	custody = types.NewCustodyBitmap([]uint64{5, 21, 40, 100})
	start   = time.Unix(1_000_000, 0)
)

// bench is a Fetcher whose jobs are run at once.
type bench struct {
	t testing.TB
	*blobs.Fetcher[string]
	now      time.Time
	requests []*blobs.Request[string] // that nothing has answered
	whole    []blobs.Whole[string]
	faults   []blobs.Fault[string]
	wake     time.Time
}

// newBench returns one with some peers. role is what the random numbers are: 0 makes providers, and 1
// samplers.
func newBench(t testing.TB, role float64, peers ...string) *bench {
	return benchOf(t, blobs.Config{Custody: custody, Random: func() float64 { return role }}, peers...)
}

func benchOf(t testing.TB, cfg blobs.Config, peers ...string) *bench {
	b := &bench{t: t, Fetcher: blobs.New[string](cfg), now: start}
	for _, p := range peers {
		b.Joined(p)
	}
	return b
}

func (b *bench) do(a blobs.Actions[string]) {
	b.requests = append(b.requests, a.Requests...)
	b.whole = append(b.whole, a.Whole...)
	b.faults = append(b.faults, a.Faults...)
	b.wake = a.Wake
	for _, j := range a.Jobs {
		j.Run()
		b.do(b.Checked(b.now, j))
	}
	for _, f := range a.Faults { // the link ends
		b.do(b.Left(b.now, f.Peer))
	}
	b.requests = slices.DeleteFunc(b.requests, func(r *blobs.Request[string]) bool {
		return slices.ContainsFunc(b.faults, func(f blobs.Fault[string]) bool { return f.Peer == r.Peer })
	})
}

func (b *bench) announce(peer string, mask types.CustodyBitmap, txs ...*transaction) {
	b.do(b.Announced(b.now, peer, hashesOf(txs), mask))
}

func hashesOf(txs []*transaction) iter.Seq[common.Hash] {
	return func(yield func(common.Hash) bool) {
		for _, x := range txs {
			if !yield(x.hash()) {
				return
			}
		}
	}
}

func (b *bench) body(peer string, tx *types.Transaction) {
	b.do(b.Body(b.now, peer, tx, common.Address{1}))
}

// next returns the oldest request, which must be to a peer, and forgets it.
func (b *bench) next(peer string) *blobs.Request[string] {
	b.t.Helper()
	if len(b.requests) == 0 || b.requests[0].Peer != peer {
		b.t.Fatalf("requests: %s, want one to %s", b.list(), peer)
	}
	r := b.requests[0]
	b.requests = b.requests[1:]
	return r
}

func (b *bench) list() (s []string) {
	for _, r := range b.requests {
		s = append(s, r.Peer)
	}
	return s
}

func (b *bench) answer(r *blobs.Request[string], cells ...blobs.Cells) {
	b.do(b.Answered(b.now, r, cells, nil))
}

func (b *bench) tick(d time.Duration) {
	b.now = b.now.Add(d)
	b.do(b.Tick(b.now))
}

// expect checks what has come of it: transactions that are whole, peers at fault.
func (b *bench) expect(whole int, faults ...string) {
	b.t.Helper()
	var got []string
	for _, f := range b.faults {
		got = append(got, f.Peer)
	}
	if len(b.whole) != whole || !slices.Equal(got, faults) {
		b.t.Errorf("%d are whole, at fault are %v (%v); want %d, %v", len(b.whole), got, b.faults, whole, faults)
	}
	for _, w := range b.whole {
		if err := blobs.Verify(w.Tx.BlobTxSidecar(), w.Cells); err != nil || w.Tx.Hash() != w.Cells.Hash || w.Sender == (common.Address{}) {
			b.t.Errorf("a transaction is not what it should be: %v", err)
		}
	}
}

// empty checks that nothing is left.
func (b *bench) empty() {
	b.t.Helper()
	if s := b.State(); s.Bytes != 0 || s.Tracked != 0 || s.Announcements != 0 {
		b.t.Errorf("left: %+v", s)
	}
}

func cancelled(t *testing.T) context.Context {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	return ctx
}

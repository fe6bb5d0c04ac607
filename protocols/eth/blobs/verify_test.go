package blobs_test

import (
	"errors"
	"reflect"
	"testing"

	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto/kzg4844"

	"github.com/troupe-p2p/troupe/protocols/eth/blobs"
)

// TestVerify: cells fit if all of them are those of their columns and blobs, and so are the proofs.
func TestVerify(t *testing.T) {
	x := sign(varied(), 0)
	right := x.answer(custody)
	swapped := x.answer(custody)
	swapped.Cells[0], swapped.Cells[1] = swapped.Cells[1], swapped.Cells[0]
	blobsSwapped := x.answer(custody)
	blobsSwapped.Cells[0], blobsSwapped.Cells[4] = blobsSwapped.Cells[4], blobsSwapped.Cells[0]
	elsewhere := x.answer(custody)
	elsewhere.Mask = types.NewCustodyBitmap([]uint64{5, 21, 40, 101})
	short := x.answer(custody)
	short.Cells = short.Cells[:4]
	large := x.answer(custody)
	for i := range 32 {
		large.Cells[0][i] = 0xff // no element of the field
	}
	bad := x.wrongCells(custody)
	none := blobs.Cells{Hash: x.hash()}
	for _, c := range []struct {
		name  string
		tx    *types.Transaction
		cells *blobs.Cells
		ok    bool
	}{
		{"right", x.tx, &right, true},
		{"a bit is wrong", x.tx, &bad, false},
		{"two columns are swapped", x.tx, &swapped, false},
		{"two blobs are swapped", x.tx, &blobsSwapped, false},
		{"another column", x.tx, &elsewhere, false},
		{"one blob of two", x.tx, &short, false},
		{"a number that is too large", x.tx, &large, false},
		{"no columns", x.tx, &none, false},
		{"a wrong proof", x.wrongProofs(40), &right, false},
		{"a wrong proof of another column", x.wrongProofs(41), &right, true},
	} {
		if err := blobs.Verify(c.tx.BlobTxSidecar(), c.cells); (err == nil) != c.ok || err != nil && !errors.Is(err, blobs.ErrCells) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	s := x.tx.BlobTxSidecar().Copy()
	s.Proofs = s.Proofs[1:]
	if err := blobs.Verify(s, &right); !errors.Is(err, blobs.ErrCells) {
		t.Errorf("a proof is missing: %v", err)
	}
}

// TestRecover: any 64 columns give all, and 63 don't.
func TestRecover(t *testing.T) {
	x := sign(varied(), 0)
	odd := types.CustodyBitmap{}
	for i := range odd {
		odd[i] = 0xaa
	}
	want := x.answer(all)
	for _, mask := range []types.CustodyBitmap{all, data, odd, all.Difference(data)} {
		some := x.answer(mask)
		got, err := blobs.Recover(&some)
		if err != nil || !reflect.DeepEqual(got.Cells, want.Cells) || got.Mask != all {
			t.Errorf("from %v: %v", mask.Indices(), err)
		}
		bad := x.wrongCells(mask)
		if !blobs.Right(x.tx.BlobTxSidecar().Commitments, &some) || blobs.Right(x.tx.BlobTxSidecar().Commitments, &bad) {
			t.Errorf("from %v: right cells are wrong, or wrong ones right", mask.Indices())
		}
	}
	few := x.answer(data.Difference(types.NewCustodyBitmap([]uint64{3})))
	if _, err := blobs.Recover(&few); !errors.Is(err, blobs.ErrCells) {
		t.Errorf("from 63 columns: %v", err)
	}
	if blobs.Right(x.tx.BlobTxSidecar().Commitments, &few) {
		t.Error("63 columns are enough to tell")
	}
}

// TestElide: a transaction with its blobs becomes one with cells, if blobs and proofs fit.
func TestElide(t *testing.T) {
	x := sign(varied(), 0)
	tx, cells, err := blobs.Elide(x.full)
	if err != nil || !reflect.DeepEqual(cells.Cells, x.cells) || cells.Mask != all || blobs.CheckBody(tx) != nil || tx.Hash() != x.hash() {
		t.Fatalf("%v", err)
	}
	change := func(do func(*types.BlobTxSidecar)) *types.Transaction {
		s := x.full.BlobTxSidecar().Copy()
		do(s)
		return x.full.WithBlobTxSidecar(s)
	}
	for name, c := range map[string]struct {
		tx   *types.Transaction
		want error
	}{
		"a bit of a blob":         {change(func(s *types.BlobTxSidecar) { s.Blobs[1][31] ^= 1 }), blobs.ErrCells},
		"a blob of large numbers": {change(func(s *types.BlobTxSidecar) { s.Blobs[1] = kzg4844.Blob{0xff} }), blobs.ErrCells},
		"a proof":                 {change(func(s *types.BlobTxSidecar) { s.Proofs[200] = s.Proofs[3] }), blobs.ErrCells},
		"a commitment":            {change(func(s *types.BlobTxSidecar) { s.Commitments[0] = s.Commitments[1] }), blobs.ErrSidecar},
		"a proof less":            {change(func(s *types.BlobTxSidecar) { s.Proofs = s.Proofs[1:] }), blobs.ErrSidecar},
		"a blob less":             {change(func(s *types.BlobTxSidecar) { s.Blobs = s.Blobs[1:] }), blobs.ErrSidecar},
		"version 0":               {change(func(s *types.BlobTxSidecar) { s.Version = 0 }), blobs.ErrSidecar},
		"no sidecar":              {x.full.WithoutBlobTxSidecar(), blobs.ErrSidecar},
	} {
		if _, _, err := blobs.Elide(c.tx); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	if err := blobs.CheckBody(x.full); !errors.Is(err, blobs.ErrSidecar) {
		t.Errorf("a body with blobs: %v", err)
	}
}

// TestSetup: what waits for the set-up waits no longer than its context.
func TestSetup(t *testing.T) {
	var begin func()
	s := blobs.BeginSetup(func(do func()) { begin = do })
	ctx := cancelled(t)
	if err := s.Wait(ctx); !errors.Is(err, ctx.Err()) {
		t.Errorf("before: %v", err)
	}
	begin()
	if err := s.Wait(t.Context()); err != nil {
		t.Errorf("after: %v", err)
	}
}

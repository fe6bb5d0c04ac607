package pool_test

import (
	"context"
	"errors"
	"math/big"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core"
	"github.com/ethereum/go-ethereum/core/txpool"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/params"
	"github.com/holiman/uint256"

	"github.com/troupe-p2p/troupe/protocols/eth/pool"
)

const (
	cancun = 1710338135
	prague = 1746612311
	osaka  = 1764798551
)

// TestCheck: validity without state, by the forks that head and clock say have passed.
func TestCheck(t *testing.T) {
	key, sender := newKey(t)
	config := params.MainnetChainConfig
	to := &common.Address{0xaa}
	merged := big.NewInt(20_000_000)
	one := big.NewInt(1)
	fees := func(tip, feeCap, gas int64) *types.DynamicFeeTx {
		return &types.DynamicFeeTx{ChainID: one, GasTipCap: big.NewInt(tip), GasFeeCap: big.NewInt(feeCap), Gas: uint64(gas), To: to}
	}
	setCode := &types.SetCodeTx{
		ChainID: uint256.NewInt(1), GasTipCap: uint256.NewInt(1), GasFeeCap: uint256.NewInt(7), Gas: 100000,
		AuthList: []types.SetCodeAuthorization{{}},
	}
	for _, c := range []struct {
		name string
		tx   types.TxData
		head types.Header
		want error
	}{
		{"tip of 1 wei, fee cap of 7", fees(1, 7, 21000), types.Header{Number: merged, Time: osaka}, nil},
		{"no tip", fees(0, 7, 21000), types.Header{Number: merged, Time: osaka}, txpool.ErrTxGasPriceTooLow},
		{"tip above the fee cap", fees(8, 7, 21000), types.Header{Number: merged, Time: osaka}, core.ErrTipAboveFeeCap},
		{"too little gas", fees(1, 7, 20999), types.Header{Number: merged, Time: osaka}, core.ErrIntrinsicGas},
		{"gas beyond the block's", fees(1, 7, 30001), types.Header{Number: merged, Time: prague, GasLimit: 30000}, txpool.ErrGasLimit},
		{"gas limit not known", fees(1, 7, 500e6), types.Header{Number: merged, Time: prague}, nil},
		{"gas beyond Osaka's cap", fees(1, 7, 1<<24+1), types.Header{Number: merged, Time: osaka}, core.ErrGasLimitTooHigh},
		{"another chain", &types.DynamicFeeTx{ChainID: big.NewInt(2), GasTipCap: one, GasFeeCap: one, Gas: 21000, To: to}, types.Header{Number: merged, Time: osaka}, txpool.ErrInvalidSender},
		{"set code before Prague", setCode, types.Header{Number: merged, Time: prague - 1}, core.ErrTxTypeNotSupported},
		{"set code from Prague on, which the clock knows", setCode, types.Header{Number: merged, Time: prague}, nil},
		{"too large", &types.LegacyTx{Gas: 1e7, GasPrice: one, To: to, Data: make([]byte, 128<<10)}, types.Header{Number: merged, Time: prague}, txpool.ErrOversizedData},
		{"unprotected", &types.LegacyTx{Gas: 21000, GasPrice: one, To: to}, types.Header{Number: merged, Time: osaka}, nil},
		{"blobs are off", &types.BlobTx{ChainID: uint256.NewInt(1), GasTipCap: uint256.NewInt(1), GasFeeCap: uint256.NewInt(1), Gas: 21000, BlobFeeCap: uint256.NewInt(1)}, types.Header{Number: merged, Time: osaka}, core.ErrTxTypeNotSupported},
	} {
		var signer types.Signer = types.NewPragueSigner(types.NewTx(c.tx).ChainId())
		if c.name == "too large" {
			signer = types.NewPragueSigner(one)
		}
		if c.name == "unprotected" {
			signer = types.HomesteadSigner{}
		}
		tx, err := types.SignNewTx(key, signer, c.tx)
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		got, err := pool.Rules{Config: config}.Check(tx, &c.head)
		if !errors.Is(err, c.want) || c.want == nil && (err != nil || got != sender) {
			t.Errorf("%s: sender %v, %v, want %v", c.name, got, err, c.want)
		}
	}
}

// TestCheckBlobs: a sidecar must be there, of version 1, with commitments for the hashes.
func TestCheckBlobs(t *testing.T) {
	key, sender := newKey(t)
	head := &types.Header{Number: big.NewInt(20_000_000), Time: osaka}
	full, _ := blobTx(t, 2, types.CustodyBitmapData, func(tx *types.BlobTx) { tx.Gas = 50000 })
	signed, err := types.SignTx(full, types.NewCancunSigner(big.NewInt(1)), key)
	if err != nil {
		t.Fatal(err)
	}
	s := full.BlobTxSidecar()
	change := func(f func(*types.BlobTxSidecar)) *types.Transaction {
		sidecar := s.Copy()
		f(sidecar)
		return signed.WithBlobTxSidecar(sidecar)
	}
	for name, c := range map[string]struct {
		tx *types.Transaction
		ok bool
	}{
		"as eth/72 has it":        {change(func(s *types.BlobTxSidecar) { s.Blobs = nil }), true},
		"no sidecar":              {signed.WithoutBlobTxSidecar(), false},
		"another commitment":      {change(func(s *types.BlobTxSidecar) { s.Commitments[0][1]++ }), false},
		"a commitment is missing": {change(func(s *types.BlobTxSidecar) { s.Commitments = s.Commitments[:1] }), false},
		"a proof is missing":      {change(func(s *types.BlobTxSidecar) { s.Proofs = s.Proofs[1:] }), false},
		"version 0":               {change(func(s *types.BlobTxSidecar) { s.Version, s.Proofs = 0, s.Proofs[:2] }), false},
	} {
		got, err := pool.Rules{Config: params.MainnetChainConfig, Blobs: true}.Check(c.tx, head)
		if (err == nil) != c.ok || c.ok && got != sender {
			t.Errorf("%s: sender %v, %v", name, got, err)
		}
	}
}

func TestAcceptedTypes(t *testing.T) {
	for kind, want := range map[byte][2]bool{0: {true, true}, 1: {true, true}, 2: {true, true}, 3: {false, true}, 4: {true, true}, 5: {}, 8: {}, 255: {}} {
		for i, blobs := range []bool{false, true} {
			if got := (pool.Rules{Blobs: blobs}).Accepts(kind); got != want[i] {
				t.Errorf("type %d, blobs %v: %v", kind, blobs, got)
			}
		}
	}
}

// signedTxs returns transactions whose senders have not been recovered.
func signedTxs(t testing.TB, count int) []*types.Transaction {
	key, _ := newKey(t)
	list := make([]*types.Transaction, count)
	for i := range list {
		tx, err := types.SignNewTx(key, types.NewPragueSigner(big.NewInt(1)), &types.DynamicFeeTx{
			ChainID: big.NewInt(1), Nonce: uint64(i), Gas: 21000, To: new(common.Address), GasFeeCap: big.NewInt(7), GasTipCap: big.NewInt(1),
		})
		if err != nil {
			t.Fatal(err)
		}
		list[i] = tx
	}
	return list
}

// TestCheckerIsFair: a caller with one transaction does not wait for all of another caller's.
func TestCheckerIsFair(t *testing.T) {
	c := pool.NewChecker(pool.Rules{Config: params.MainnetChainConfig}, 1)
	head := &types.Header{Number: big.NewInt(20_000_000), Time: osaka}
	many, few := signedTxs(t, 1500), signedTxs(t, 1)
	var done atomic.Bool
	var all sync.WaitGroup
	all.Go(func() {
		for i, r := range c.Check(t.Context(), head, many) {
			if r.Err != nil {
				t.Errorf("transaction %d: %v", i, r.Err)
			}
		}
		done.Store(true)
	})
	if r := c.Check(t.Context(), head, few); r[0].Err != nil {
		t.Error(r[0].Err)
	}
	if done.Load() {
		t.Error("one transaction waited for 1,500 of another peer")
	}
	all.Wait()
}

// TestCheckerEnds: a caller that is no longer interested gets its goroutine back.
func TestCheckerEnds(t *testing.T) {
	c := pool.NewChecker(pool.Rules{Config: params.MainnetChainConfig}, 1)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	results := c.Check(ctx, &types.Header{Number: big.NewInt(1)}, signedTxs(t, 20))
	for i, r := range results {
		if !errors.Is(r.Err, context.Canceled) {
			t.Errorf("transaction %d: %v", i, r.Err)
		}
	}
}

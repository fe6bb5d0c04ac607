package pool_test

import (
	"crypto/ecdsa"
	"encoding/json"
	"math/big"
	"os"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/troupe-p2p/troupe/protocols/eth/chain"
	"github.com/troupe-p2p/troupe/protocols/eth/ethtest"
	"github.com/troupe-p2p/troupe/protocols/eth/pool"
)

// testChain is go-ethereum's test chain as a node knows it by a state dump and the head.
type testChain struct {
	t     *testing.T
	rules pool.Rules
	head  types.Header
	state *pool.Dump
	keys  []*ecdsa.PrivateKey // of accounts that have something
}

func newTestChain(t *testing.T) *testChain {
	t.Helper()
	c := &testChain{t: t}
	n, err := chain.ReadGenesis(ethtest.Chain(t, "genesis.json"))
	if err != nil {
		t.Fatal(err)
	}
	c.rules.Config = n.Config
	if c.state, err = pool.OpenDump(ethtest.Chain(t, "headstate.json")); err != nil {
		t.Fatal(err)
	}
	read := func(name string, v any) {
		b, err := os.ReadFile(ethtest.Chain(t, name))
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(b, v); err != nil {
			t.Fatal(err)
		}
	}
	read("headblock.json", &c.head)
	var accounts map[common.Address]struct{ Key string }
	read("accounts.json", &accounts)
	for _, a := range accounts {
		key, err := crypto.HexToECDSA(a.Key[2:])
		if err != nil {
			t.Fatal(err)
		}
		c.keys = append(c.keys, key)
	}
	return c
}

// sign returns a transaction of account i that pays as little as the chain's head allows. Its nonce is
// relative to the account's.
func (c *testChain) sign(i int, tx types.DynamicFeeTx) *types.Transaction {
	c.t.Helper()
	nonce, _, _ := c.state.Account(crypto.PubkeyToAddress(c.keys[i].PublicKey))
	tx.ChainID, tx.Nonce = c.rules.Config.ChainID, tx.Nonce+nonce
	tx.GasTipCap, tx.GasFeeCap = big.NewInt(1), c.head.BaseFee
	signed, err := types.SignNewTx(c.keys[i], types.LatestSigner(c.rules.Config), &tx)
	if err != nil {
		c.t.Fatal(err)
	}
	return signed
}

// add checks and adds a transaction.
func (c *testChain) add(p *pool.Pool, tx *types.Transaction) error {
	sender, err := c.rules.Check(tx, &c.head)
	if err != nil {
		return err
	}
	encoded, err := pool.NewTx(tx, sender, types.CustodyBitmap{}, nil)
	if err != nil {
		return err
	}
	return p.Add(start, encoded, one)
}

// TestInvalidOnTestChain: what go-ethereum's protocol test sends as invalid is refused.
func TestInvalidOnTestChain(t *testing.T) {
	c := newTestChain(t)
	p := pool.New(pool.Config{State: c.state})
	to := &common.Address{0xaa}
	if err := c.add(p, c.sign(0, types.DynamicFeeTx{Gas: 30000, To: to})); err != nil {
		t.Fatal(err)
	}
	_, balance, _ := c.state.Account(crypto.PubkeyToAddress(c.keys[0].PublicKey))
	for name, tx := range map[string]types.DynamicFeeTx{
		"nonce of before":        {Nonce: 1<<64 - 1, Gas: 100000},
		"all of the balance":     {Gas: 100000, Value: balance.ToBig()},
		"too little gas":         {Gas: 1337},
		"replacement, same fees": {Gas: 1_000_000, Data: make([]byte, 50)},
		"replacement with data":  {Gas: 5_000_000, To: to, Data: make([]byte, 128)},
	} {
		if err := c.add(p, c.sign(0, tx)); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if s := p.State(); s.Transactions != 1 {
		t.Errorf("%+v", s)
	}
}

// TestThousandsOnTestChain: 2,000 transactions of one sender are checked, added and ready in far less than
// two seconds, after which a peer must have been told of them.
func TestThousandsOnTestChain(t *testing.T) {
	c := newTestChain(t)
	p := pool.New(pool.Config{State: c.state})
	var txs []*types.Transaction
	for i := range uint64(2000) {
		txs = append(txs, c.sign(1, types.DynamicFeeTx{Nonce: i, Gas: 75000}))
	}
	begin := time.Now()
	for i, r := range pool.NewChecker(c.rules, 2).Check(t.Context(), &c.head, txs) {
		if r.Err != nil {
			t.Fatalf("number %d: %v", i, r.Err)
		}
		tx, err := pool.NewTx(txs[i], r.Sender, types.CustodyBitmap{}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := p.Add(start, tx, one); err != nil {
			t.Fatalf("number %d: %v", i, err)
		}
	}
	got := ready(p)
	t.Logf("%v", time.Since(begin))
	for _, tx := range txs {
		if got[tx.Hash()] != pool.Push {
			t.Fatalf("nonce %d may not be pushed", tx.Nonce())
		}
	}
}

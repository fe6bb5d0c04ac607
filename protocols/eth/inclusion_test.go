package eth_test

import (
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/rlp"

	"github.com/troupe-p2p/troupe/actors/actortest"
	"github.com/troupe-p2p/troupe/node"
	"github.com/troupe-p2p/troupe/protocols/eth"
	"github.com/troupe-p2p/troupe/protocols/eth/chain"
)

// blockWith returns the number of the last block before some number that has transactions without blobs,
// and these.
func blockWith(t *testing.T, files *eth.Files, before uint64) (number uint64, txs []*types.Transaction) {
	t.Helper()
	for n := before - 1; n > 0; n-- {
		encoded, err := files.Read(chain.Body, n)
		if err != nil {
			t.Fatal(err)
		}
		var body types.Body
		if err := rlp.DecodeBytes(encoded, &body); err != nil {
			t.Fatal(err)
		}
		for _, tx := range body.Transactions {
			if tx.Type() != types.BlobTxType {
				txs = append(txs, tx)
			}
		}
		if len(txs) > 0 {
			return n, txs
		}
	}
	t.Fatal("no block has transactions")
	return 0, nil
}

// TestIncluded: what a block has leaves the pool and is not taken again, until the block leaves the
// chain.
func TestIncluded(t *testing.T) {
	n, files := testChain(t)
	number, txs := blockWith(t, files, 600)
	actortest.Bubble(t, func(t *testing.T) {
		h := newHub(t, eth.Config{Chain: n, Source: files}, nil)
		all, by := remotes(t, 1)
		h.join(t, by)
		head := func(to uint64) {
			h.View().Set(chain.Block{Number: to, Hash: hashOf(t, files, to)}, 0)
			actortest.After(time.Second)
		}
		for _, c := range []struct {
			head uint64
			want int
		}{{number - 1, len(txs)}, {number, 0}, {number - 1, len(txs)}, {number + 1, 0}} {
			head(c.head)
			all[0].push(txs...)
			actortest.After(time.Second)
			if got := h.Pool().State(); got.Transactions != c.want {
				t.Errorf("with block %d as the head, the pool has %d of block %d's %d transactions, want %d: %+v", c.head, got.Transactions, number, len(txs), c.want, got)
			}
		}
		if got := h.Pool().State().Included; got != uint64(2*len(txs)) {
			t.Errorf("%d transactions left as included, want %d", got, 2*len(txs))
		}
	})
}

// TestTransactionsOutliveCrashes: while the actors of the node in the middle crash all the time, each
// transaction that comes in either way goes on once.
func TestTransactionsOutliveCrashes(t *testing.T) {
	n, files := testChain(t)
	w := newWallet(t, n)
	actortest.Bubble(t, func(t *testing.T) {
		const often = 50 * time.Millisecond
		h := newHub(t, eth.Config{Chain: n, Source: files, State: w.state}, nil, node.Chaos{Pattern: "*/eth", Interval: often}, node.Chaos{Pattern: "*/service-eth", Interval: often})
		all, by := remotes(t, 3)
		h.join(t, by)
		txs := w.txs(100)
		for i := range 50 {
			all[0].announce(txs[2*i])
			all[1].push(txs[2*i+1])
			actortest.After(70 * time.Millisecond)
		}
		actortest.After(10 * time.Second)
		for i, tx := range txs {
			for j, r := range all {
				want := 1
				if j == i%2 {
					want = 0
				}
				if pushed, told := r.got(tx); pushed+told != want {
					t.Errorf("remote %d got transaction %d %d times in full and %d times by its hash, want %d in all", j, i, pushed, told, want)
				}
			}
		}
	})
}

package eth_test

import (
	"context"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/crypto/kzg4844"
	"github.com/ethereum/go-ethereum/rlp"
	"github.com/holiman/uint256"

	"github.com/troupe-p2p/troupe/actors/actortest"
	"github.com/troupe-p2p/troupe/node"
	"github.com/troupe-p2p/troupe/protocols"
	"github.com/troupe-p2p/troupe/protocols/eth"
	"github.com/troupe-p2p/troupe/protocols/eth/announce"
	"github.com/troupe-p2p/troupe/protocols/eth/blobs"
	"github.com/troupe-p2p/troupe/protocols/eth/ethtest"
	"github.com/troupe-p2p/troupe/protocols/eth/serve"
	"github.com/troupe-p2p/troupe/protocols/eth/txfetch"
)

// blobTx returns a transaction of an account with a blob that is one number.
func (w *wallet) blobTx(account int, n byte) *types.Transaction {
	w.t.Helper()
	nonce, _, _ := w.state.Account(crypto.PubkeyToAddress(w.keys[account].PublicKey))
	s := ethtest.Blob(n)
	tx, err := types.SignNewTx(w.keys[account], w.signer, &types.BlobTx{
		ChainID: uint256.MustFromBig(w.signer.ChainID()), Nonce: nonce, GasTipCap: uint256.NewInt(1), GasFeeCap: uint256.NewInt(7),
		Gas: 100_000, BlobFeeCap: uint256.NewInt(1), BlobHashes: s.BlobHashes(), Sidecar: s,
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return tx
}

// provide announces a blob transaction with all of its cells, and serves them; change may spoil them.
func (r *remote) provide(tx *types.Transaction, change func([]kzg4844.Cell)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	all, err := kzg4844.ComputeCells(tx.BlobTxSidecar().Blobs)
	if err != nil {
		r.t.Fatal(err)
	}
	if change != nil {
		change(all)
	}
	elided := ethtest.Elided(tx)
	r.has[tx.Hash()] = elided
	r.cells = func(q *eth.GetCells) *eth.Cells {
		hashes, list := serve.Cells(q.Hashes, q.Mask, func(hash common.Hash) ([]kzg4844.Cell, types.CustodyBitmap) {
			if hash == tx.Hash() {
				return all, types.CustodyBitmapAll
			}
			return nil, types.CustodyBitmap{}
		})
		return &eth.Cells{ID: q.ID, Hashes: hashes, Cells: list, Mask: q.Mask}
	}
	list := []announce.Tx{{Hash: tx.Hash(), Type: tx.Type(), Size: uint32(elided.Size())}}
	r.send(&protocols.RawMessage{Code: 8, Payload: announce.Encode(72, list, types.CustodyBitmapAll)})
}

// mask returns the columns that the remote was told of.
func (r *remote) mask(tx *types.Transaction) types.CustodyBitmap {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.masks[tx.Hash()]
}

// checkCells asks the hub for the cells of a transaction as a client does, and verifies them.
func checkCells(t *testing.T, r *remote, tx *types.Transaction, mask types.CustodyBitmap) {
	t.Helper()
	ask := blobs.Ask{Hashes: []common.Hash{{1}, tx.Hash()}, Mask: mask}
	a, err := protocols.Call[eth.Cells](t.Context(), r.link, &eth.GetCells{Hashes: ask.Hashes, Mask: mask})
	if err != nil {
		t.Fatal(err)
	}
	cells, err := ask.Parse(a.Hashes, a.Cells, a.Mask)
	if err != nil || len(cells) != 1 || blobs.Verify(tx.BlobTxSidecar(), &cells[0]) != nil {
		t.Errorf("cells of columns %v: %d transactions, %v", mask.Indices(), len(cells), err)
	}
}

// pooled asks the hub for a transaction.
func pooled(t *testing.T, r *remote, tx *types.Transaction) *types.Transaction {
	t.Helper()
	a, err := protocols.Call[eth.PooledTransactions](t.Context(), r.link, &eth.GetPooledTransactions{Hashes: eth.Hashes{tx.Hash()}})
	if err != nil {
		t.Fatal(err)
	}
	for txs, err := range txfetch.Decode(a.Transactions, 1, 1) {
		if err == nil && txs[0].Hash() == tx.Hash() {
			return txs[0]
		}
	}
	t.Fatalf("the transaction is not served")
	return nil
}

var columns = []uint64{5, 21, 40, 100}

// TestBlobsGoOn: of a transaction that two peers provide, the node gets the cells, announces those that it has, and
// serves them.
func TestBlobsGoOn(t *testing.T) {
	n, files := testChain(t)
	w := newWallet(t, n)
	tx := w.blobTx(0, 1)
	for name, custody := range map[string][]uint64{"sampler": columns, "provider": types.CustodyBitmapData.Indices()} {
		actortest.Bubble(t, func(t *testing.T) {
			h := newHub(t, eth.Config{Chain: n, Source: files, State: w.state, Custody: custody}, nil)
			all, by := remotes(t, 3)
			h.join(t, by)
			all[0].provide(tx, nil)
			all[1].provide(tx, nil)
			actortest.After(time.Second)
			mask := all[2].mask(tx)
			if sampled := types.NewCustodyBitmap(columns); mask != types.CustodyBitmapAll && (name == "provider" || mask != sampled) {
				t.Fatalf("%s: announced are columns %v", name, mask.Indices())
			}
			if pushed, told := all[2].got(tx); pushed != 0 || told != 1 {
				t.Errorf("%s: pushed %d times, announced %d times", name, pushed, told)
			}
			checkCells(t, all[2], tx, mask)
			checkCells(t, all[2], tx, types.NewCustodyBitmap([]uint64{21, 100}))
			if got := pooled(t, all[2], tx); got.Size() != ethtest.Elided(tx).Size() || len(got.BlobTxSidecar().Blobs) != 0 {
				t.Errorf("%s: served with %d bytes", name, got.Size())
			}
			have := all[:2]
			if name == "provider" {
				have = all[:1] // it fetches at once, and may announce before the other one has
			}
			for _, r := range have {
				if _, told := r.got(tx); told != 0 {
					t.Errorf("%s: announced to a peer that has it", name)
				}
			}
		})
	}
}

// TestBlobsOfOldPeers: before eth/72 a transaction comes with its blobs, and goes on with them, or as
// cells.
func TestBlobsOfOldPeers(t *testing.T) {
	n, files := testChain(t)
	w := newWallet(t, n)
	tx := w.blobTx(0, 2)
	actortest.Bubble(t, func(t *testing.T) {
		h := newHub(t, eth.Config{Chain: n, Source: files, State: w.state, Custody: columns}, nil)
		at := func(last byte) netip.AddrPort {
			return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 1, last, 1}), 30303)
		}
		var old []*remote
		for i := range byte(2) {
			r := newRemote(t)
			h.startAs(t, r, eth.New(eth.Config{Chain: n, Source: files, Versions: []uint{71 - 3*uint(i)}}), at(i), h.Self())
			h.await(t, r)
			old = append(old, r)
		}
		now := newRemote(t)
		h.join(t, map[netip.AddrPort]*remote{at(9): now})
		old[0].announce(tx)
		actortest.After(time.Second)
		if mask := now.mask(tx); mask != types.CustodyBitmapAll {
			t.Fatalf("announced are columns %v", mask.Indices())
		}
		checkCells(t, now, tx, types.CustodyBitmapAll)
		for _, r := range old[1:] {
			if _, told := r.got(tx); told != 1 {
				t.Errorf("announced %d times to a peer of eth/68", told)
			}
			got, err := rlp.EncodeToBytes(pooled(t, r, tx))
			if want := encodeTxs(t, []*types.Transaction{tx}); err != nil || !strings.HasSuffix(string(want), string(got)) {
				t.Errorf("served to a peer of eth/68 is another transaction of %d bytes", len(got))
			}
		}
	})
}

// TestWrongCellsEndTheLink: of the peer that has sent them, with the cause, and of no other.
func TestWrongCellsEndTheLink(t *testing.T) {
	n, files := testChain(t)
	w := newWallet(t, n)
	tx := w.blobTx(0, 3)
	actortest.Bubble(t, func(t *testing.T) {
		h := newHub(t, eth.Config{Chain: n, Source: files, State: w.state, Custody: columns}, nil)
		all, by := remotes(t, 4)
		h.join(t, by)
		var links []*protocols.Link // those that are up now: remotes dial again
		for _, r := range all {
			links = append(links, r.link)
		}
		all[0].provide(tx, func(cells []kzg4844.Cell) {
			for i := range cells {
				cells[i][31] ^= 1
			}
		})
		all[1].provide(tx, nil)
		all[2].provide(tx, nil)
		actortest.After(10 * time.Second)
		if h.Pool().Get(tx.Hash()) == nil {
			t.Errorf("the transaction is not in the pool: %+v", h.Pool().State())
		}
		for i, l := range links {
			if cause := context.Cause(l.Context()); (cause != nil) != (i == 0) || i == 0 && cause.Error() != "remote: breach of protocol" {
				t.Errorf("the link of remote %d: %v", i, cause)
			}
		}
	})
}

// TestBlobsOff: then none is asked for, and none is kept.
func TestBlobsOff(t *testing.T) {
	n, files := testChain(t)
	w := newWallet(t, n)
	tx := w.blobTx(0, 4)
	actortest.Bubble(t, func(t *testing.T) {
		h := newHub(t, eth.Config{Chain: n, Source: files, State: w.state, NoBlobs: true}, nil)
		all, by := remotes(t, 2)
		h.join(t, by)
		all[0].provide(tx, nil)
		all[1].provide(tx, nil)
		actortest.After(10 * time.Second)
		if got := h.Pool().State(); got.Transactions != 0 || len(all[0].requests()) != 0 {
			t.Errorf("%+v", got)
		}
		a, err := protocols.Call[eth.Cells](t.Context(), all[0].link, &eth.GetCells{Hashes: eth.Hashes{tx.Hash()}, Mask: types.CustodyBitmapAll})
		if err != nil || len(a.Hashes) != 0 {
			t.Errorf("%v, %v", a, err)
		}
	})
}

// TestBlobsOutliveCrashes: while the service crashes, transactions become whole, and no link ends.
func TestBlobsOutliveCrashes(t *testing.T) {
	n, files := testChain(t)
	w := newWallet(t, n)
	actortest.Bubble(t, func(t *testing.T) {
		h := newHub(t, eth.Config{Chain: n, Source: files, State: w.state, Custody: columns}, nil,
			node.Chaos{Pattern: "*/service-eth", Interval: 50 * time.Millisecond})
		all, by := remotes(t, 3)
		h.join(t, by)
		for i := range 3 {
			tx := w.blobTx(i, byte(5+i))
			for try := 0; h.Pool().Get(tx.Hash()) == nil; try++ {
				if try == 100 {
					t.Fatal("not whole after 100 announcements")
				}
				all[0].provide(tx, nil)
				all[1].provide(tx, nil)
				actortest.After(time.Second)
			}
		}
		for i, r := range all {
			if r.link.Context().Err() != nil {
				t.Errorf("the link of remote %d has ended", i)
			}
		}
	})
}

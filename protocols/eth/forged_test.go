package eth_test

import (
	"math/big"
	"net/netip"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/troupe-p2p/troupe/actors/actortest"
	"github.com/troupe-p2p/troupe/protocols/eth"
	"github.com/troupe-p2p/troupe/protocols/eth/chain"
)

// forged is a source that has blocks of its own, which are empty, after a block of the test chain.
type forged struct {
	*eth.Files
	after   uint64
	headers [][]byte
	numbers map[common.Hash]uint64
}

func forge(t *testing.T, files *eth.Files, after, to uint64) *forged {
	t.Helper()
	encoded, err := files.Read(chain.Header, after)
	if err != nil {
		t.Fatal(err)
	}
	f := &forged{Files: files, after: after, numbers: map[common.Hash]uint64{}}
	var h types.Header
	mustDecode(encoded, &h)
	for n := after + 1; n <= to; n++ {
		list := crypto.Keccak256Hash([]byte{0xc0})
		h = types.Header{
			ParentHash: crypto.Keccak256Hash(encoded), Number: new(big.Int).SetUint64(n), Time: h.Time + 10, Extra: []byte("forged"),
			Difficulty: zeroInt, BaseFee: h.BaseFee, GasLimit: h.GasLimit, UncleHash: types.EmptyUncleHash, TxHash: types.EmptyTxsHash,
			ReceiptHash: types.EmptyReceiptsHash, WithdrawalsHash: &types.EmptyWithdrawalsHash, BlobGasUsed: new(uint64), ExcessBlobGas: new(uint64),
			ParentBeaconRoot: new(common.Hash), RequestsHash: &types.EmptyRequestsHash, BlockAccessListHash: &list, SlotNumber: new(uint64),
		}
		encoded = mustEncode(&h)
		f.headers = append(f.headers, encoded)
		f.numbers[crypto.Keccak256Hash(encoded)] = n
	}
	return f
}

// Number implements serve.Source.
func (f *forged) Number(hash common.Hash) (uint64, bool) {
	if n, ok := f.numbers[hash]; ok {
		return n, true
	}
	n, ok := f.Files.Number(hash)
	return n, ok && n <= f.after
}

// Read implements serve.Source.
func (f *forged) Read(p chain.Part, n uint64) ([]byte, error) {
	switch {
	case n <= f.after:
		return f.Files.Read(p, n)
	case n > f.after+uint64(len(f.headers)):
		return nil, chain.ErrAbsent
	}
	return map[chain.Part][]byte{
		chain.Header: f.headers[n-f.after-1], chain.Body: {0xc3, 0xc0, 0xc0, 0xc0}, chain.Receipts: {0xc0}, chain.AccessList: {0xc0},
	}[p], nil
}

func (f *forged) head() chain.Block {
	last := f.headers[len(f.headers)-1]
	return chain.Block{Number: f.after + uint64(len(f.headers)), Hash: crypto.Keccak256Hash(last)}
}

// serveForged starts a node that serves forged blocks.
func (w *world) serveForged(host netip.Addr, f *forged) {
	e := w.serveAt(host, eth.Config{Source: f})
	w.servers = w.servers[:len(w.servers)-1] // grow is not for it
	e.View().Set(f.head(), 0)
}

// TestFalseHead: a head that peers of fewer than three networks have made up is not taken, whatever
// the others say.
func TestFalseHead(t *testing.T) {
	n, files := testChain(t)
	network := func(net, host byte) netip.Addr { return netip.AddrFrom4([4]byte{10, 9, net, host}) }
	for _, c := range []struct {
		name   string
		honest int
		liars  []netip.Addr
		want   uint64 // the follower's head
	}{
		{"one", 3, []netip.Addr{network(1, 1)}, 500},
		{"two of one network", 3, []netip.Addr{network(1, 1), network(1, 2)}, 500},
		{"four of two networks", 3, []netip.Addr{network(1, 1), network(1, 2), network(2, 1), network(2, 2)}, 500},
		{"four of two networks alone", 0, []netip.Addr{network(1, 1), network(1, 2), network(2, 1), network(2, 2)}, 0},
	} {
		actortest.Bubble(t, func(t *testing.T) {
			w := newWorld(t, n, files)
			for range c.honest {
				w.serve(eth.Config{})
			}
			for _, host := range c.liars {
				w.serveForged(host, forge(t, files, 498, 520))
			}
			w.grow(500)
			follower, _ := w.follow()
			for range 10 {
				actortest.After(12 * time.Second)
				if got := follower.View().Range(); got.LatestHash != hashOf(t, files, got.Latest) {
					t.Fatalf("%s: the follower serves %+v", c.name, got)
				}
			}
			if got := follower.View().Range(); got.Latest != c.want {
				t.Errorf("%s: the follower serves %+v, want block %d", c.name, got, c.want)
			}
		})
	}
}

// TestFalseBranchIsLeft: three networks can make a node follow a branch that they have made up. Once
// most of those asked contradict it, the node leaves it.
func TestFalseBranchIsLeft(t *testing.T) {
	n, files := testChain(t)
	actortest.Bubble(t, func(t *testing.T) {
		w := newWorld(t, n, files)
		made := forge(t, files, 490, 520)
		for i := range byte(3) {
			w.serveForged(netip.AddrFrom4([4]byte{10, 9, i, 1}), made)
		}
		follower, self := w.follow()
		actortest.After(time.Minute)
		if got := follower.View().Range(); got.LatestHash != made.head().Hash {
			t.Fatalf("the follower serves %+v, want the forged block 520", got)
		}
		for range 7 {
			w.serve(eth.Config{})
			w.dial(w.nodes[len(w.nodes)-1], self)
		}
		w.grow(505)
		actortest.After(3 * time.Minute)
		if got, want := follower.View().Range(), w.rangeTo(505); got != want {
			t.Errorf("the follower serves %+v, want %+v", got, want)
		}
	})
}

package eth_test

import (
	"crypto/rand"
	"math"
	"math/big"
	"net/netip"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/holiman/uint256"

	"github.com/troupe-p2p/troupe/actors/actortest"
	"github.com/troupe-p2p/troupe/protocols"
	"github.com/troupe-p2p/troupe/protocols/eth"
	"github.com/troupe-p2p/troupe/protocols/eth/announce"
	"github.com/troupe-p2p/troupe/protocols/eth/pool"
	"github.com/troupe-p2p/troupe/protocols/protocoltest"
)

// TestTransactionsGoOn: each transaction that a remote sends goes to all others once, in full to the
// square root of their number, and never back.
func TestTransactionsGoOn(t *testing.T) {
	n, files := testChain(t)
	w := newWallet(t, n)
	actortest.Bubble(t, func(t *testing.T) {
		const count = 10
		h := newHub(t, eth.Config{Chain: n, Source: files, State: w.state}, nil)
		all, by := remotes(t, count)
		h.join(t, by)
		txs := w.txs(20)
		large := w.tx(0, 1, 5000)
		all[0].push(append(txs, large)...)
		actortest.After(10 * time.Second)
		for _, tx := range append(txs, large) {
			full := 0
			for i, r := range all {
				pushed, told := r.got(tx)
				full += pushed
				if want := min(i, 1); pushed+told != want {
					t.Errorf("remote %d got a transaction %d times in full and %d times by its hash, want %d in all", i, pushed, told, want)
				}
			}
			most := int(math.Ceil(math.Sqrt(count)))
			if tx == large {
				most = 0
			}
			if full > most || tx != large && full < most-1 { // the sender may be one of the chosen
				t.Errorf("%d remotes got a transaction in full, want %d", full, most)
			}
		}
	})
}

// TestAnnouncedIsFetched: announced transactions are asked for at once, in one request, and go on. A
// remote that joins later is told what the pool has.
func TestAnnouncedIsFetched(t *testing.T) {
	n, files := testChain(t)
	w := newWallet(t, n)
	for _, version := range eth.Versions() {
		actortest.Bubble(t, func(t *testing.T) {
			h := newHub(t, eth.Config{Chain: n, Source: files, State: w.state, Versions: []uint{version}}, nil)
			all, by := remotes(t, 2)
			h.join(t, by)
			txs := w.txs(50)
			all[0].announce(txs...)
			actortest.After(10 * time.Second)
			if got := all[0].requests(); len(got) != 1 || got[0] != len(txs) {
				t.Errorf("eth/%d: requests for %v transactions, want one for %d", version, got, len(txs))
			}
			late := newRemote(t)
			h.join(t, map[netip.AddrPort]*remote{netip.MustParseAddrPort("10.2.0.1:30303"): late})
			actortest.After(10 * time.Second)
			for i, r := range []*remote{all[0], all[1], late} {
				for _, tx := range txs {
					if pushed, told := r.got(tx); pushed+told != min(i, 1) || r == late && pushed != 0 {
						t.Fatalf("eth/%d: remote %d got a transaction %d times in full and %d times by its hash", version, i, pushed, told)
					}
				}
			}
		})
	}
}

// TestSenderNotKnown: without a state, a transaction goes on by its hash alone, and only once peers
// of two networks or a static one have announced it.
func TestSenderNotKnown(t *testing.T) {
	n, files := testChain(t)
	w := newWallet(t, n)
	first, other := netip.MustParseAddrPort("10.1.0.1:30303"), netip.MustParseAddrPort("10.2.0.1:30303")
	for name, c := range map[string]struct {
		static bool           // the first one
		second netip.AddrPort // that announces it as well
		want   int
	}{
		"one network":         {second: netip.MustParseAddrPort("10.1.0.2:30303")},
		"another network":     {second: other, want: 1},
		"a static node alone": {static: true, want: 1},
	} {
		t.Run(name, func(t *testing.T) {
			actortest.Bubble(t, func(t *testing.T) {
				a, b, watcher := newRemote(t), newRemote(t), newRemote(t)
				static, dynamic := map[netip.AddrPort]*remote{}, map[netip.AddrPort]*remote{netip.MustParseAddrPort("10.9.0.1:30303"): watcher}
				if c.static {
					static[first] = a
				} else {
					dynamic[first] = a
				}
				if c.second.IsValid() {
					dynamic[c.second] = b
				}
				h := newHub(t, eth.Config{Chain: n, Source: files}, static)
				h.join(t, dynamic)
				txs := w.txs(3)
				a.push(txs[0])
				a.announce(txs[1:]...)
				actortest.After(5 * time.Second)
				if pushed, told := watcher.got(txs[1]); !c.static && pushed+told != 0 {
					t.Errorf("a transaction that one remote has announced has gone on")
				}
				if c.second.IsValid() {
					b.announce(txs...)
				}
				actortest.After(5 * time.Second)
				for i, tx := range txs {
					if pushed, told := watcher.got(tx); pushed != 0 || told != c.want {
						t.Errorf("transaction %d came %d times in full and %d times by its hash, want 0 and %d", i, pushed, told, c.want)
					}
					for _, r := range []*remote{a, b} {
						if pushed, told := r.got(tx); pushed+told != 0 && (r == a || c.second.IsValid()) {
							t.Errorf("transaction %d went back to a remote that has announced it", i)
						}
					}
				}
				if got := h.Pool().State(); got.Transactions != 3 || (got.Held == 3) != (c.want == 0) {
					t.Errorf("the pool has %+v", got)
				}
			})
		})
	}
}

// TestReplacement: a transaction that pays a tenth more takes the place of the one with its nonce, and
// one that pays less does not go on.
func TestReplacement(t *testing.T) {
	n, files := testChain(t)
	w := newWallet(t, n)
	actortest.Bubble(t, func(t *testing.T) {
		h := newHub(t, eth.Config{Chain: n, Source: files, State: w.state}, nil)
		all, by := remotes(t, 2)
		h.join(t, by)
		sign := func(tip int64) *types.Transaction {
			w.tip = tip
			return w.tx(0, 0, 0)
		}
		first, less, more := sign(1000), sign(1099), sign(1100)
		for _, c := range []struct {
			tx   *types.Transaction
			want int
		}{{first, 1}, {less, 0}, {more, 1}} {
			all[0].push(c.tx)
			actortest.After(time.Second)
			if pushed, told := all[1].got(c.tx); pushed+told != c.want {
				t.Errorf("the transaction with a tip of %v came %d times, want %d", c.tx.GasTipCap(), pushed+told, c.want)
			}
		}
		if h.Pool().Has(first.Hash()) || h.Pool().Has(less.Hash()) || !h.Pool().Has(more.Hash()) {
			t.Error("the pool has another one than the last")
		}
	})
}

// rich is a state in which every account pays.
type rich struct{}

func (rich) Account(common.Address) (uint64, uint256.Int, bool) {
	return 0, *uint256.NewInt(math.MaxUint64), true
}

// TestRemoteThatDoesNotRead: transactions wait for a remote that does not read, in bounded memory, and
// come once when it does.
func TestRemoteThatDoesNotRead(t *testing.T) {
	n, files := testChain(t)
	actortest.Bubble(t, func(t *testing.T) {
		cfg := eth.Config{Chain: n, Source: files, State: rich{}}
		server, r := eth.New(cfg), newRemote(t)
		p := protocoltest.NewPair(t, server.Spec(), r.spec(eth.New(cfg)), protocoltest.Buffer(64<<10))
		actortest.After(time.Millisecond)
		p.B.Pause()
		var txs []*types.Transaction
		for i := range 3000 {
			data := make([]byte, 1000)
			_, _ = rand.Read(data) // so that it does not compress
			tx := types.NewTx(&types.LegacyTx{GasPrice: big.NewInt(7), Gas: 100_000, Data: data})
			pooled, err := pool.NewTx(tx, common.BigToAddress(big.NewInt(int64(i))), types.CustodyBitmap{}, nil)
			if err != nil {
				t.Fatal(err)
			}
			if err := server.Pool().Add(time.Now(), pooled, pool.Origin{}); err != nil {
				t.Fatal(err)
			}
			txs = append(txs, tx)
		}
		r.send(&protocols.RawMessage{Code: 8, Payload: announce.Encode(r.link.Version(), nil, types.CustodyBitmap{})}) // so that the service looks
		actortest.After(5 * time.Second)
		p.B.Resume()
		actortest.After(5 * time.Second)
		for i, tx := range txs {
			if pushed, told := r.got(tx); pushed+told != 1 {
				t.Fatalf("transaction %d came %d times in full and %d times by its hash", i, pushed, told)
			}
		}
	})
}

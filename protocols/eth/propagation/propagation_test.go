package propagation_test

import (
	"encoding/binary"
	"math"
	"math/big"
	"slices"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto/kzg4844"
	"github.com/ethereum/go-ethereum/p2p/enode"
	"github.com/ethereum/go-ethereum/rlp"
	"github.com/holiman/uint256"

	"github.com/troupe-p2p/troupe/protocols/eth/announce"
	"github.com/troupe-p2p/troupe/protocols/eth/pool"
	"github.com/troupe-p2p/troupe/protocols/eth/propagation"
)

var now = time.Unix(1_800_000_000, 0)

// rich is a State in which every account pays.
type rich struct{}

func (rich) Account(common.Address) (uint64, uint256.Int, bool) {
	return 0, *uint256.NewInt(1 << 62), true
}

func address(i int) (a common.Address) {
	binary.BigEndian.PutUint64(a[:], uint64(i))
	return a
}

func ids(count int) []enode.ID {
	list := make([]enode.ID, count)
	for i := range list {
		binary.BigEndian.PutUint64(list[i][:], uint64(i))
	}
	return list
}

// tx returns a transaction with some bytes of data.
func tx(t testing.TB, sender int, nonce uint64, data int) *pool.Tx {
	t.Helper()
	inner := types.NewTx(&types.LegacyTx{Nonce: nonce, Gas: 21000, GasPrice: big.NewInt(7), Value: big.NewInt(int64(sender)), Data: make([]byte, data)})
	tx, err := pool.NewTx(inner, address(sender), types.CustodyBitmap{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return tx
}

func blobTx(t testing.TB, sender int, columns ...uint64) *pool.Tx {
	t.Helper()
	s := &types.BlobTxSidecar{Version: 1, Commitments: make([]kzg4844.Commitment, 1), Proofs: make([]kzg4844.Proof, 128)}
	inner := types.NewTx(&types.BlobTx{ChainID: uint256.NewInt(1), Value: uint256.NewInt(uint64(sender)), BlobHashes: s.BlobHashes(), Sidecar: s})
	tx, err := pool.NewTx(inner, address(sender), types.NewCustodyBitmap(columns), make([]kzg4844.Cell, len(columns)))
	if err != nil {
		t.Fatal(err)
	}
	return tx
}

// newPool returns a pool with transactions, and these as they may go on.
func newPool(t testing.TB, state pool.State, txs ...*pool.Tx) (*pool.Pool, []pool.Outgoing) {
	t.Helper()
	p := pool.New(pool.Config{State: state})
	for _, tx := range txs {
		if err := p.Add(now, tx, pool.Origin{Trusted: true}); err != nil {
			t.Fatal(err)
		}
	}
	return p, p.Ready(1 << 20)
}

// sent is what a peer got.
type sent struct {
	pushed, announced []common.Hash
	masks             []types.CustodyBitmap
	messages          int
}

// drain sends all that is in a queue.
func drain(t testing.TB, q *propagation.Queue, p *pool.Pool, version uint) (s sent) {
	t.Helper()
	for steps := 0; ; steps++ {
		if steps > 1000 {
			t.Fatal("a queue does not end")
		}
		m, more, err := q.Next(p)
		if err != nil {
			t.Fatal(err)
		}
		if !more {
			return s
		}
		if m.Transactions != nil {
			var txs types.Transactions
			if err := rlp.DecodeBytes(m.Transactions, &txs); err != nil {
				t.Fatal(err)
			}
			for _, tx := range txs {
				s.pushed = append(s.pushed, tx.Hash())
			}
			s.messages++
		}
		if m.Announcements != nil {
			a, err := announce.Parse(version, m.Announcements)
			if err != nil || a.Len() == 0 {
				t.Fatalf("%d transactions announced: %v", a.Len(), err)
			}
			for tx := range a.All() {
				s.announced = append(s.announced, tx.Hash)
			}
			s.masks = append(s.masks, a.Mask)
			s.messages++
		}
	}
}

// TestChoose: ceil(sqrt(n)) peers, the same for all transactions of a sender, others for others.
func TestChoose(t *testing.T) {
	f := propagation.NewFanout()
	for _, n := range []int{0, 1, 2, 3, 4, 5, 9, 10, 49, 50, 100} {
		peers, uses := ids(n), make([]int, n)
		const senders = 500
		for sender := range senders {
			chosen := f.Choose(peers, address(sender))
			count := 0
			for i, c := range chosen {
				if c {
					count++
					uses[i]++
				}
			}
			if want := int(math.Ceil(math.Sqrt(float64(n)))); count != want {
				t.Fatalf("%d of %d peers, want %d", count, n, want)
			}
			if again := f.Choose(peers, address(sender)); !slices.Equal(again, chosen) {
				t.Fatalf("%d peers: another choice for the same sender", n)
			}
		}
		share := math.Ceil(math.Sqrt(float64(n))) / float64(n)
		want := senders * share
		for i, u := range uses { // six standard deviations
			if math.Abs(float64(u)-want) > 6*math.Sqrt(want*(1-share)) {
				t.Errorf("%d peers: number %d is chosen %d times, want about %.0f", n, i, u, want)
			}
		}
	}
}

// TestChoiceIsStable: when a peer joins, few senders get other peers.
func TestChoiceIsStable(t *testing.T) {
	f, changed := propagation.NewFanout(), 0
	for sender := range 200 {
		before, after := f.Choose(ids(26), address(sender)), f.Choose(ids(27), address(sender))
		if !slices.Equal(before, after[:26]) {
			changed++
		}
	}
	if changed > 80 {
		t.Errorf("%d of 200 senders have other peers", changed)
	}
}

// TestSpread: each peer gets each transaction once, in full or its hash, but those that have it.
func TestSpread(t *testing.T) {
	small, large, blob := tx(t, 1, 0, 10), tx(t, 2, 0, 5000), blobTx(t, 3, 0, 1)
	for _, c := range []struct {
		name   string
		state  pool.State
		pushes int // of the small one, to 16 peers
	}{
		{"a known sender", rich{}, 4},
		{"an unknown sender", nil, 0},
	} {
		p, out := newPool(t, c.state, small, large, blob)
		f := propagation.NewFanout()
		var peers []propagation.Peer
		for _, id := range ids(16) {
			peers = append(peers, propagation.Peer{ID: id, Queue: propagation.NewQueue(72)})
		}
		chosen := f.Choose(ids(16), small.Sender())
		has := slices.Index(chosen, false)
		peers[has].Queue.Has(small.Hash())
		f.Spread(peers, out)
		pushes := 0
		for i, peer := range peers {
			got := drain(t, peer.Queue, p, 72)
			pushes += len(got.pushed)
			if len(got.pushed) > 1 || len(got.pushed) == 1 && (got.pushed[0] != small.Hash() || !chosen[i]) {
				t.Errorf("%s: peer %d is pushed %v", c.name, i, got.pushed)
			}
			want := 3
			if i == has {
				want = 2
			}
			if all := slices.Concat(got.pushed, got.announced); len(all) != want {
				t.Errorf("%s: peer %d gets %d transactions, want %d", c.name, i, len(all), want)
			}
			if !slices.Contains(got.announced, large.Hash()) || !slices.Contains(got.announced, blob.Hash()) || i == has && slices.Contains(got.announced, small.Hash()) {
				t.Errorf("%s: peer %d is told of %v", c.name, i, got.announced)
			}
		}
		if pushes != c.pushes {
			t.Errorf("%s: %d pushes, want %d", c.name, pushes, c.pushes)
		}
		f.Spread(peers, out)
		for i, peer := range peers {
			if got := drain(t, peer.Queue, p, 72); got.messages != 0 {
				t.Errorf("%s: peer %d gets %+v a second time", c.name, i, got)
			}
		}
	}
}

// TestEachSenderHasItsPeers, also where transactions of many senders go on at once.
func TestEachSenderHasItsPeers(t *testing.T) {
	var all []*pool.Tx
	for sender := range 50 {
		all = append(all, tx(t, sender, 0, 0))
	}
	p, out := newPool(t, rich{}, all...)
	f := propagation.NewFanout()
	var peers []propagation.Peer
	for _, id := range ids(9) {
		peers = append(peers, propagation.Peer{ID: id, Queue: propagation.NewQueue(72)})
	}
	f.Spread(peers, out)
	for i, peer := range peers {
		got := drain(t, peer.Queue, p, 72)
		for sender, tx := range all {
			if want := f.Choose(ids(9), address(sender))[i]; slices.Contains(got.pushed, tx.Hash()) != want {
				t.Errorf("sender %d, peer %d: pushed %v, want %v", sender, i, !want, want)
			}
		}
	}
}

// TestPushable: at most 4 KiB, never blobs, never if it may be announced only.
func TestPushable(t *testing.T) {
	fits := tx(t, 1, 0, 4096-overhead(t))
	for name, c := range map[string]struct {
		out  pool.Outgoing
		want bool
	}{
		"4 KiB":         {pool.Outgoing{Tx: fits, Scope: pool.Push}, true},
		"a byte more":   {pool.Outgoing{Tx: tx(t, 1, 0, 4097-overhead(t)), Scope: pool.Push}, false},
		"announce only": {pool.Outgoing{Tx: fits, Scope: pool.Announce}, false},
		"blobs":         {pool.Outgoing{Tx: blobTx(t, 1, 0), Scope: pool.Push}, false},
	} {
		if got := propagation.Pushable(c.out); got != c.want {
			t.Errorf("%s (%d bytes): %v", name, c.out.Tx.Size(71), got)
		}
	}
}

// overhead returns what a transaction with 4,000 bytes of data has beside them.
func overhead(t testing.TB) int { return tx(t, 1, 0, 4000).Size(71) - 4000 }

// TestStartOfALink: a new peer is told of all that may go on, in messages of a bounded size.
func TestStartOfALink(t *testing.T) {
	var all []*pool.Tx
	for i := range 7000 {
		all = append(all, tx(t, i/2, uint64(i%2), 0))
	}
	p, _ := newPool(t, rich{}, all...)
	q := propagation.NewQueue(71)
	q.Has(all[5].Hash())
	got := drain(t, q, p, 71)
	if len(got.pushed) != 0 || len(got.announced) != 6999 || slices.Contains(got.announced, all[5].Hash()) || got.messages != 3 {
		t.Errorf("%d pushed, %d announced in %d messages", len(got.pushed), len(got.announced), got.messages)
	}
	if got := drain(t, q, p, 71); got.messages != 0 {
		t.Errorf("told again: %+v", got)
	}
}

// TestPushesAreInOrder and in messages of about 100 KiB: 2,000 transactions of one sender.
func TestPushesAreInOrder(t *testing.T) {
	var all []*pool.Tx
	for nonce := range uint64(2000) {
		all = append(all, tx(t, 1, nonce, 50))
	}
	p, out := newPool(t, rich{}, all...)
	q := propagation.NewQueue(72)
	propagation.NewFanout().Spread([]propagation.Peer{{Queue: q}}, out)
	got := drain(t, q, p, 72)
	if len(got.pushed) != 2000 || len(got.announced) != 0 || got.messages < 2 || got.messages > 4 {
		t.Fatalf("%d pushed, %d announced, in %d messages", len(got.pushed), len(got.announced), got.messages)
	}
	for i, h := range got.pushed {
		if h != all[i].Hash() {
			t.Fatalf("place %d has another nonce", i)
		}
	}
}

// TestOneMaskAMessage: blob transactions of which the pool has other columns are announced in messages
// of their own, and before eth/72 not at all without half of the columns.
func TestOneMaskAMessage(t *testing.T) {
	a, b, c := blobTx(t, 1, 0, 1), blobTx(t, 2, 7), blobTx(t, 3, 0, 1)
	p, out := newPool(t, rich{}, a, b, c, tx(t, 4, 0, 0))
	for _, link := range []string{"new", "old"} {
		q := propagation.NewQueue(72)
		if link == "old" {
			drain(t, q, pool.New(pool.Config{}), 72)
			propagation.NewFanout().Spread([]propagation.Peer{{Queue: q}}, out)
		}
		got := drain(t, q, p, 72)
		masks := []types.CustodyBitmap{a.Custody(), b.Custody()}
		if len(got.announced)+len(got.pushed) != 4 || !slices.Equal(got.masks, masks) || got.announced[len(got.announced)-1] != b.Hash() {
			t.Errorf("%s link: %d announced, masks %x", link, len(got.announced), got.masks)
		}
	}
	if got := drain(t, propagation.NewQueue(71), p, 71); len(got.announced) != 1 {
		t.Errorf("eth/71: %d announced", len(got.announced))
	}
}

// TestPeerThatDoesNotRead loses the oldest; memory is bounded.
func TestPeerThatDoesNotRead(t *testing.T) {
	p, _ := newPool(t, rich{})
	q := propagation.NewQueue(71)
	hash := func(i int) (h common.Hash) { return common.BigToHash(big.NewInt(int64(i))) }
	for i := range 10_000 {
		q.Add(hash(i), i%2 == 0)
	}
	if got := q.Dropped(); got != 10_000-2*4096 {
		t.Errorf("%d dropped", got)
	}
	if got := drain(t, q, p, 71); got.messages != 0 || q.Knows(hash(9999)) {
		t.Errorf("what is not in the pool is sent: %+v", got)
	}
}

// TestLeftThePoolMeanwhile: neither sent nor announced.
func TestLeftThePoolMeanwhile(t *testing.T) {
	one, two := tx(t, 1, 0, 0), tx(t, 2, 0, 5000)
	p, out := newPool(t, rich{}, one, two)
	q := propagation.NewQueue(71)
	propagation.NewFanout().Spread([]propagation.Peer{{Queue: q}}, out)
	p.Included([]pool.Inclusion{{Sender: address(1)}, {Sender: address(2)}})
	if got := drain(t, q, p, 71); got.messages != 0 {
		t.Errorf("%+v", got)
	}
}

// TestAnnouncedMeanwhile: what the peer announces while it waits in the queue is not sent to it.
func TestAnnouncedMeanwhile(t *testing.T) {
	one, two := tx(t, 1, 0, 0), tx(t, 2, 0, 5000)
	p, out := newPool(t, rich{}, one, two)
	q := propagation.NewQueue(71)
	propagation.NewFanout().Spread([]propagation.Peer{{Queue: q}}, out)
	q.Has(one.Hash())
	q.Has(two.Hash())
	if got := drain(t, q, p, 71); got.messages != 0 {
		t.Errorf("%+v", got)
	}
}

func BenchmarkSpread(b *testing.B) {
	var all []*pool.Tx
	for i := range 1000 {
		all = append(all, tx(b, i, 0, 0))
	}
	_, out := newPool(b, rich{}, all...)
	f := propagation.NewFanout()
	for range b.N {
		b.StopTimer()
		var peers []propagation.Peer
		for _, id := range ids(50) {
			peers = append(peers, propagation.Peer{ID: id, Queue: propagation.NewQueue(71)})
		}
		b.StartTimer()
		f.Spread(peers, out)
	}
}

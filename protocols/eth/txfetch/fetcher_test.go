package txfetch_test

import (
	"encoding/binary"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/troupe-p2p/troupe/protocols/eth/announce"
	"github.com/troupe-p2p/troupe/protocols/eth/txfetch"
)

// world is a Fetcher with peers, driven by a clock of its own.
type world struct {
	*txfetch.Fetcher[string]
	t   testing.TB
	now time.Time
}

type actions = txfetch.Actions[string]

func newWorld(t testing.TB, cfg txfetch.Config, peers ...string) *world {
	w := &world{txfetch.New[string](cfg), t, time.Unix(1_800_000_000, 0)}
	for _, p := range peers {
		w.Joined(p, 71)
	}
	return w
}

func (w *world) announce(peer string, txs ...announce.Tx) actions {
	return w.Announced(w.now, peer, slices.Values(txs))
}

// after returns what is to be done once d has passed.
func (w *world) after(d time.Duration) actions {
	w.now = w.now.Add(d)
	return w.Tick(w.now)
}

// request returns the only request, which must be for hashes.
func (w *world) request(a actions, peer string, hashes ...common.Hash) *txfetch.Request[string] {
	w.t.Helper()
	if len(a.Requests) != 1 || a.Requests[0].Peer != peer || !slices.Equal(a.Requests[0].Hashes, hashes) {
		w.t.Fatalf("requests %+v, want one to %s for %x", a.Requests, peer, hashes)
	}
	return a.Requests[0]
}

func (w *world) nothing(a actions) {
	w.t.Helper()
	if len(a.Requests)+len(a.Faults) > 0 {
		w.t.Fatalf("requests %+v, faults %+v, want none", a.Requests, a.Faults)
	}
}

// faults checks which peers are at fault, and why.
func (w *world) faults(a actions, want map[string]error) {
	w.t.Helper()
	if len(a.Faults) != len(want) {
		w.t.Fatalf("faults %v, want %v", a.Faults, want)
	}
	for _, f := range a.Faults {
		if want[f.Peer] == nil || !errors.Is(f.Err, want[f.Peer]) {
			w.t.Errorf("fault of %s: %v, want %v", f.Peer, f.Err, want[f.Peer])
		}
	}
}

func hash(i int) (h common.Hash) {
	binary.BigEndian.PutUint64(h[:], uint64(i))
	return h
}

// tx announces a transfer of 110 bytes.
func tx(i int) announce.Tx { return announce.Tx{Hash: hash(i), Type: 2, Size: 110} }

// txs announces transfers with consecutive hashes.
func txs(from, count int) []announce.Tx {
	list := make([]announce.Tx, count)
	for i := range list {
		list[i] = tx(from + i)
	}
	return list
}

func hashes(from, count int) []common.Hash {
	list := make([]common.Hash, count)
	for i := range list {
		list[i] = hash(from + i)
	}
	return list
}

// item is what comes for tx.
func item(i int) txfetch.Item { return txfetch.Item{Hash: hash(i), Type: 2, Whole: 110, Elided: 110} }

func items(from, count int) []txfetch.Item {
	list := make([]txfetch.Item, count)
	for i := range list {
		list[i] = item(from + i)
	}
	return list
}

const pushWait = 500 * time.Millisecond

// TestWaitsForAPush: an announced transaction is asked for after half a second, unless it was pushed.
func TestWaitsForAPush(t *testing.T) {
	w := newWorld(t, txfetch.Config{}, "a", "b")
	begin := w.now
	a := w.announce("a", tx(1), tx(2))
	w.nothing(a)
	if !a.Wake.Equal(begin.Add(pushWait)) {
		t.Errorf("wake after %v", a.Wake.Sub(begin))
	}
	w.nothing(w.after(pushWait - 1))
	w.nothing(w.Pushed(w.now, "b", items(2, 1)))
	a = w.after(1)
	r := w.request(a, "a", hash(1))
	if !a.Wake.Equal(w.now.Add(5 * time.Second)) {
		t.Errorf("wake after %v", a.Wake.Sub(w.now))
	}
	a = w.Answered(w.now, r, items(1, 1))
	w.nothing(a)
	if s := w.State(); !a.Wake.IsZero() || s.Tracked != 0 || s.Announcements != 0 || s.Delivered != 2 {
		t.Errorf("wake %v, %+v", a.Wake, s)
	}
}

// TestBlobTransactionsDoNotWait, because they are never pushed.
func TestBlobTransactionsDoNotWait(t *testing.T) {
	w := newWorld(t, txfetch.Config{}, "a")
	blob := announce.Tx{Hash: hash(1), Type: 3, Size: 6700}
	w.request(w.announce("a", tx(2), blob), "a", hash(1))
}

// TestPushedBlobTransaction is a breach.
func TestPushedBlobTransaction(t *testing.T) {
	w := newWorld(t, txfetch.Config{}, "a")
	w.faults(w.Pushed(w.now, "a", []txfetch.Item{{Hash: hash(1), Type: 3}}), map[string]error{"a": txfetch.ErrPushed})
}

// TestBatches: at most 256 transactions and 128 KiB in a request, one request a peer.
func TestBatches(t *testing.T) {
	for _, c := range []struct {
		name string
		size uint32
		want int
	}{
		{"small", 110, 256},
		{"1 KiB", 1 << 10, 128},
		{"the largest", 128 << 10, 1},
	} {
		w := newWorld(t, txfetch.Config{}, "a")
		list := txs(0, 600)
		for i := range list {
			list[i].Size = c.size
		}
		w.announce("a", list...)
		a := w.after(pushWait)
		r := w.request(a, "a", hashes(0, c.want)...)
		w.nothing(w.after(time.Second))
		answer := items(0, c.want)
		for i := range answer {
			answer[i].Whole = c.size
		}
		w.request(w.Answered(w.now, r, answer), "a", hashes(c.want, c.want)...)
	}
}

// TestLargeBlobTransactions: a request has one, however large it is.
func TestLargeBlobTransactions(t *testing.T) {
	w := newWorld(t, txfetch.Config{}, "a")
	a := w.announce("a", announce.Tx{Hash: hash(1), Type: 3, Size: 800_000}, announce.Tx{Hash: hash(2), Type: 3, Size: 800_000})
	w.request(a, "a", hash(1))
}

// TestOneRequestForAMessage: 50 hashes announced in one message are asked for in one request.
func TestOneRequestForAMessage(t *testing.T) {
	w := newWorld(t, txfetch.Config{}, "a")
	w.announce("a", txs(0, 50)...)
	w.request(w.after(pushWait), "a", hashes(0, 50)...)
}

// TestSharedAmongPeers: peers that announce the same are asked for parts of it at once.
func TestSharedAmongPeers(t *testing.T) {
	w := newWorld(t, txfetch.Config{}, "a", "b", "c")
	for _, p := range []string{"a", "b", "c"} {
		w.announce(p, txs(0, 600)...)
	}
	asked := map[common.Hash]bool{}
	a := w.after(pushWait)
	for _, r := range a.Requests {
		for _, h := range r.Hashes {
			if asked[h] {
				t.Fatalf("%x asked twice", h)
			}
			asked[h] = true
		}
	}
	if len(a.Requests) != 3 || len(asked) != 600 {
		t.Errorf("%d requests for %d transactions", len(a.Requests), len(asked))
	}
}

// TestGapsAndTails: what an answer leaves out before its last transaction is not there; what it leaves
// out after that did not fit in.
func TestGapsAndTails(t *testing.T) {
	w := newWorld(t, txfetch.Config{}, "a")
	w.announce("a", txs(0, 6)...)
	r := w.request(w.after(pushWait), "a", hashes(0, 6)...)
	a := w.Answered(w.now, r, []txfetch.Item{item(1), item(3)})
	r = w.request(a, "a", hash(4), hash(5))
	if s := w.State(); s.Unavailable != 2 || s.Tracked != 2 {
		t.Errorf("%+v", s)
	}
	w.Joined("b", 71)
	w.announce("b", tx(5), tx(4)) // in reserve
	w.request(w.Answered(w.now, r, []txfetch.Item{item(5)}), "b", hash(4))
}

// TestOrderOfAnAnswer does not matter.
func TestOrderOfAnAnswer(t *testing.T) {
	w := newWorld(t, txfetch.Config{}, "a")
	w.announce("a", txs(0, 4)...)
	r := w.request(w.after(pushWait), "a", hashes(0, 4)...)
	w.request(w.Answered(w.now, r, []txfetch.Item{item(2), item(0)}), "a", hash(3))
}

// TestEmptyAnswerIsNoFault: a peer need not have what it has announced any more (besu #10056). The
// others that have announced it are asked.
func TestEmptyAnswerIsNoFault(t *testing.T) {
	w := newWorld(t, txfetch.Config{}, "a", "b")
	w.announce("a", tx(1))
	w.announce("b", tx(1))
	r := w.request(w.after(pushWait), "a", hash(1))
	r = w.request(w.Answered(w.now, r, nil), "b", hash(1))
	w.nothing(w.Answered(w.now, r, nil))
	if s := w.State(); s.Tracked != 0 || s.Announcements != 0 {
		t.Errorf("%+v", s)
	}
	w.announce("a", tx(2))
	w.request(w.after(pushWait), "a", hash(2))
}

// TestSilentPeerIsAskedAgain: one request without an answer does not mean that a peer is never
// asked again (bor #2367). It is left alone for a time that grows.
func TestSilentPeerIsAskedAgain(t *testing.T) {
	w := newWorld(t, txfetch.Config{}, "a")
	for i, pause := range []time.Duration{5 * time.Second, 20 * time.Second, 80 * time.Second, 5 * time.Minute} {
		w.announce("a", tx(2*i))
		w.request(w.after(pushWait), "a", hash(2*i))
		w.announce("a", tx(2*i+1))
		w.nothing(w.after(5*time.Second - 1))
		a := w.after(1)
		w.nothing(a)
		if !a.Wake.Equal(w.now.Add(pause)) {
			t.Fatalf("time-out %d: asked again after %v, want %v", 2*i, a.Wake.Sub(w.now), pause)
		}
		w.nothing(w.after(pause - 1))
		w.nothing(w.Failed(w.now, w.request(w.after(1), "a", hash(2*i+1))))
		w.now = w.now.Add(time.Hour)
	}
}

// TestRequestsAreGathered: transactions announced one at a time are not asked for one at a time
// (geth #22175).
func TestRequestsAreGathered(t *testing.T) {
	w := newWorld(t, txfetch.Config{}, "a")
	requests, asked := 0, 0
	answer := func(a actions) {
		for len(a.Requests) > 0 { // the peer answers at once
			r := a.Requests[0]
			requests, asked = requests+1, asked+len(r.Hashes)
			var list []txfetch.Item
			for _, h := range r.Hashes {
				list = append(list, txfetch.Item{Hash: h, Type: 2, Whole: 110})
			}
			a = w.Answered(w.now, r, list)
		}
	}
	for i := range 1000 { // 100 a second
		answer(w.announce("a", tx(i)))
		answer(w.after(10 * time.Millisecond))
	}
	answer(w.after(pushWait))
	if asked != 1000 || requests > 110 {
		t.Errorf("%d requests for %d transactions", requests, asked)
	}
}

// TestReserve: when a peer has no time, or leaves, another is asked.
func TestReserve(t *testing.T) {
	for name, end := range map[string]func(w *world, r *txfetch.Request[string]) actions{
		"time runs out": func(w *world, _ *txfetch.Request[string]) actions { return w.after(5 * time.Second) },
		"leaves":        func(w *world, r *txfetch.Request[string]) actions { return w.Left(w.now, r.Peer) },
		"fails":         func(w *world, r *txfetch.Request[string]) actions { return w.Failed(w.now, r) },
		"has nothing":   func(w *world, r *txfetch.Request[string]) actions { return w.Answered(w.now, r, nil) },
	} {
		w := newWorld(t, txfetch.Config{}, "a", "b", "c")
		w.announce("a", txs(0, 3)...)
		w.announce("b", txs(0, 2)...)
		w.announce("c", txs(2, 1)...)
		a := w.after(pushWait)
		r := w.request(a, "a", hashes(0, 3)...)
		a = end(w, r)
		got := map[string][]common.Hash{}
		for _, r := range a.Requests {
			got[r.Peer] = r.Hashes
		}
		if len(a.Faults) != 0 || len(got) != 2 || !slices.Equal(got["b"], hashes(0, 2)) || !slices.Equal(got["c"], hashes(2, 1)) {
			t.Errorf("%s: requests %v, faults %v", name, got, a.Faults)
		}
	}
}

// TestPeersLeave: nothing is left of them.
func TestPeersLeave(t *testing.T) {
	w := newWorld(t, txfetch.Config{}, "a", "b")
	w.announce("a", txs(0, 100)...)
	w.after(pushWait)
	w.announce("a", txs(100, 100)...)
	w.announce("b", txs(150, 100)...)
	w.Left(w.now, "a")
	if s := w.State(); s.Tracked != 100 || s.Announcements != 100 {
		t.Errorf("%+v", s)
	}
	w.nothing(w.announce("a", tx(7))) // on its way when the link ended
	a := w.Left(w.now, "b")
	if s := w.State(); s.Tracked != 0 || s.Announcements != 0 || !a.Wake.IsZero() {
		t.Errorf("%+v, wake %v", s, a.Wake)
	}
	w.nothing(w.Left(w.now, "b"))
}

// TestLateAnswer: it is of use, and the peer may be asked again at once.
func TestLateAnswer(t *testing.T) {
	w := newWorld(t, txfetch.Config{}, "a", "b")
	w.announce("a", tx(1))
	w.announce("b", tx(1))
	r := w.request(w.after(pushWait), "a", hash(1))
	other := w.request(w.after(5*time.Second), "b", hash(1))
	w.announce("a", tx(2))
	w.nothing(w.after(pushWait)) // a is left alone
	w.request(w.Answered(w.now, r, items(1, 1)), "a", hash(2))
	if s := w.State(); s.Tracked != 1 {
		t.Errorf("%+v", s)
	}
	w.nothing(w.Answered(w.now, other, items(1, 1))) // was asked for as well
	w.nothing(w.Answered(w.now, other, items(1, 1))) // a second answer is none
}

// TestStolen: what another peer pushes meanwhile is not asked for again.
func TestStolen(t *testing.T) {
	w := newWorld(t, txfetch.Config{}, "a", "b")
	w.announce("a", txs(0, 2)...)
	w.announce("b", txs(0, 2)...)
	r := w.request(w.after(pushWait), "a", hashes(0, 2)...)
	w.nothing(w.Pushed(w.now, "b", items(0, 2)))
	w.nothing(w.Answered(w.now, r, nil))
	if s := w.State(); s.Tracked != 0 || s.Unavailable != 0 {
		t.Errorf("%+v", s)
	}
}

// TestAnnouncedAgain: the end of an old request has nothing to do with a transaction that came from another
// peer meanwhile, and is announced anew.
func TestAnnouncedAgain(t *testing.T) {
	w := newWorld(t, txfetch.Config{}, "a", "b", "c")
	w.announce("a", tx(1))
	r := w.request(w.after(pushWait), "a", hash(1))
	w.Pushed(w.now, "b", items(1, 1))
	w.announce("c", tx(1))
	w.nothing(w.Answered(w.now, r, nil))
	w.nothing(w.after(pushWait - 1))
	w.request(w.after(1), "c", hash(1))
}

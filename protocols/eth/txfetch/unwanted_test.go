package txfetch_test

import (
	"slices"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/troupe-p2p/troupe/protocols/eth/announce"
	"github.com/troupe-p2p/troupe/protocols/eth/txfetch"
)

// TestUnwanted: what is there, was refused, or is of another type is not asked for.
func TestUnwanted(t *testing.T) {
	w := newWorld(t, txfetch.Config{
		Has:     func(h common.Hash) bool { return h == hash(1) },
		Accepts: func(kind byte) bool { return kind == 2 },
	}, "a")
	w.Refused(w.now, hash(2))
	w.announce("a", tx(1), tx(2), tx(4), announce.Tx{Hash: hash(3), Type: 3}, announce.Tx{Hash: hash(5), Type: 2, Size: 129 << 10})
	w.Forget(w.now, hashes(4, 1))
	w.nothing(w.after(pushWait))
	if s := w.State(); s.Tracked != 0 {
		t.Errorf("%+v", s)
	}
	w.now = w.now.Add(11 * time.Minute)
	w.announce("a", tx(2)) // by now it may pay enough
	w.request(w.after(pushWait), "a", hash(2))
}

// TestUnknownTypes are not asked for.
func TestUnknownTypes(t *testing.T) {
	w := newWorld(t, txfetch.Config{}, "a")
	w.announce("a", announce.Tx{Hash: hash(1), Type: 5}, announce.Tx{Hash: hash(2), Type: 255}, announce.Tx{Hash: hash(3), Type: 4})
	w.request(w.after(pushWait), "a", hash(3))
}

// TestRefusedIsRememberedForAWhile, also if more is refused than is remembered at once.
func TestRefusedIsRememberedForAWhile(t *testing.T) {
	w := newWorld(t, txfetch.Config{}, "a")
	for i := range 50_000 {
		w.Refused(w.now, hash(i))
	}
	w.now = w.now.Add(4 * time.Minute)
	w.announce("a", txs(50_000-32_768, 32_768)...)
	if s := w.State(); s.Tracked != 0 {
		t.Errorf("%d of the last 32,768 refused are asked for", s.Tracked)
	}
}

// TestArrivals say which other peers have announced a transaction.
func TestArrivals(t *testing.T) {
	w := newWorld(t, txfetch.Config{}, "a", "b", "c")
	for _, p := range []string{"a", "b", "c"} {
		w.announce(p, tx(1))
	}
	w.announce("b", tx(2))
	a := w.Pushed(w.now, "a", []txfetch.Item{item(1), item(3)})
	if len(a.Arrivals) != 1 || a.Arrivals[0].Hash != hash(1) || !slices.Equal(a.Arrivals[0].Peers, []string{"b", "c"}) {
		t.Errorf("%+v", a.Arrivals)
	}
}

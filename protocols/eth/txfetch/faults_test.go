package txfetch_test

import (
	"errors"
	"math/big"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto/kzg4844"
	"github.com/holiman/uint256"

	"github.com/troupe-p2p/troupe/protocols/eth/announce"
	"github.com/troupe-p2p/troupe/protocols/eth/txfetch"
)

// blobTx returns a blob transaction with everything.
func blobTx(blobs int) *types.Transaction {
	s := &types.BlobTxSidecar{Version: 1, Blobs: make([]kzg4844.Blob, blobs), Proofs: make([]kzg4844.Proof, 128*blobs)}
	for i := range blobs {
		s.Commitments = append(s.Commitments, kzg4844.Commitment{byte(i)})
	}
	return types.NewTx(&types.BlobTx{ChainID: uint256.NewInt(1), BlobHashes: s.BlobHashes(), Sidecar: s})
}

// with returns tx with another sidecar.
func with(tx *types.Transaction, change func(*types.BlobTxSidecar)) *types.Transaction {
	s := tx.BlobTxSidecar().Copy()
	change(s)
	return tx.WithBlobTxSidecar(s)
}

func elide(s *types.BlobTxSidecar) { s.Blobs = nil }

func TestInspect(t *testing.T) {
	whole := blobTx(2)
	elided := with(whole, elide)
	for name, c := range map[string]struct {
		version uint
		tx      *types.Transaction
		want    error
	}{
		"a transfer":              {71, types.NewTx(&types.LegacyTx{GasPrice: big.NewInt(1)}), nil},
		"whole":                   {71, whole, nil},
		"without blobs in eth/72": {72, elided, nil},
		"whole in eth/72":         {72, whole, txfetch.ErrSidecar},
		"without blobs":           {71, elided, txfetch.ErrSidecar},
		"no sidecar":              {72, whole.WithoutBlobTxSidecar(), txfetch.ErrSidecar},
		"another commitment":      {72, with(elided, func(s *types.BlobTxSidecar) { s.Commitments[0][1]++ }), txfetch.ErrSidecar},
		"a commitment missing":    {72, with(elided, func(s *types.BlobTxSidecar) { s.Commitments = s.Commitments[1:] }), txfetch.ErrSidecar},
		"a proof too many":        {72, with(elided, func(s *types.BlobTxSidecar) { s.Proofs = append(s.Proofs, kzg4844.Proof{}) }), txfetch.ErrSidecar},
		"version 0":               {71, with(whole, func(s *types.BlobTxSidecar) { s.Version, s.Proofs = 0, s.Proofs[:2] }), txfetch.ErrSidecar},
		"no blob":                 {71, blobTx(0), txfetch.ErrSidecar},
	} {
		item := txfetch.Inspect(c.version, c.tx)
		if !errors.Is(item.Err, c.want) || c.want == nil && item.Err != nil {
			t.Errorf("%s: %v, want %v", name, item.Err, c.want)
		}
		if item.Hash != c.tx.Hash() || item.Type != c.tx.Type() {
			t.Errorf("%s: %+v", name, item)
		}
	}
	for _, tx := range []*types.Transaction{whole, elided} { // the sizes do not depend on what is at hand
		if item := txfetch.Inspect(72, tx); uint64(item.Whole) != whole.Size() || uint64(item.Elided) != elided.Size() {
			t.Errorf("sizes %d and %d, want %d and %d", item.Whole, item.Elided, whole.Size(), elided.Size())
		}
	}
}

// TestOnlyTheDelivererPays: a peer delivers a blob transaction without sidecar. Its size is not
// what the others have announced; they keep their links, and are asked at once (geth #31162).
func TestOnlyTheDelivererPays(t *testing.T) {
	tx := blobTx(2)
	for name, bad := range map[string]*types.Transaction{
		"no sidecar":         tx.WithoutBlobTxSidecar(),
		"another commitment": with(tx, func(s *types.BlobTxSidecar) { s.Blobs = nil; s.Commitments[0] = kzg4844.Commitment{7} }),
	} {
		w := newWorld(t, txfetch.Config{})
		size := txfetch.Inspect(72, tx).Elided
		for _, p := range []string{"bad", "b", "c"} {
			w.Joined(p, 72)
		}
		said := announce.Tx{Hash: tx.Hash(), Type: 3, Size: size}
		a := w.announce("bad", said)
		w.announce("b", said)
		w.announce("c", said)
		r := w.request(a, "bad", tx.Hash())
		a = w.Answered(w.now, r, []txfetch.Item{txfetch.Inspect(72, bad)})
		w.faults(a, map[string]error{"bad": txfetch.ErrSidecar})
		if len(a.Requests) != 1 || a.Requests[0].Peer == "bad" {
			t.Fatalf("%s: requests %+v, want one to another", name, a.Requests)
		}
		r = a.Requests[0]
		w.Left(w.now, "bad")
		w.nothing(w.Answered(w.now, r, []txfetch.Item{txfetch.Inspect(72, with(tx, elide))}))
		if s := w.State(); s.Tracked != 0 {
			t.Errorf("%s: %+v", name, s)
		}

		w = newWorld(t, txfetch.Config{}, "bad") // there is no other: it is forgotten
		r = w.request(w.announce("bad", said), "bad", tx.Hash())
		w.Answered(w.now, r, []txfetch.Item{txfetch.Inspect(72, bad)})
		if s := w.State(); s.Tracked != 0 || s.Unavailable != 1 {
			t.Errorf("%s: %+v", name, s)
		}
	}
}

// TestSizesByVersion: announcers of eth/71 and eth/72 are right with different sizes (geth #35524),
// and wrong with each other's.
func TestSizesByVersion(t *testing.T) {
	tx := blobTx(1)
	it := txfetch.Inspect(72, with(tx, elide))
	consensus := uint32(tx.WithoutBlobTxSidecar().Size())
	sizes := map[string]uint32{"71": it.Whole, "72": it.Elided, "71 like 72": it.Elided, "72 like 71": it.Whole, "72, consensus size": consensus}
	w := newWorld(t, txfetch.Config{})
	var r *txfetch.Request[string]
	for p, size := range sizes {
		w.Joined(p, map[string]uint{"71": 71, "72": 72}[p[:2]])
		if a := w.announce(p, announce.Tx{Hash: tx.Hash(), Type: 3, Size: size}); len(a.Requests) > 0 {
			r = a.Requests[0] // the peer that was first: it does not matter which one delivers
		}
	}
	a := w.Answered(w.now, r, []txfetch.Item{it})
	w.faults(a, map[string]error{"71 like 72": txfetch.ErrSize, "72 like 71": txfetch.ErrSize, "72, consensus size": txfetch.ErrSize})
}

// TestWrongAnnouncements: a peer that announces another type, or a size that is off by more than 8 bytes,
// pays, no matter which peer delivers. Others do not.
func TestWrongAnnouncements(t *testing.T) {
	for _, c := range []struct {
		name string
		said announce.Tx
		want error
	}{
		{"right", announce.Tx{Hash: hash(1), Type: 2, Size: 110}, nil},
		{"8 bytes more", announce.Tx{Hash: hash(1), Type: 2, Size: 118}, nil},
		{"8 bytes less", announce.Tx{Hash: hash(1), Type: 2, Size: 102}, nil},
		{"9 bytes more", announce.Tx{Hash: hash(1), Type: 2, Size: 119}, txfetch.ErrSize},
		{"9 bytes less", announce.Tx{Hash: hash(1), Type: 2, Size: 101}, txfetch.ErrSize},
		{"nothing", announce.Tx{Hash: hash(1), Type: 2}, txfetch.ErrSize},
		{"another type", announce.Tx{Hash: hash(1), Type: 0, Size: 110}, txfetch.ErrType},
	} {
		want := map[string]error{}
		if c.want != nil {
			want["said"] = c.want
		}
		w := newWorld(t, txfetch.Config{}, "honest", "said")
		w.announce("honest", tx(1))
		w.announce("said", c.said)
		w.faults(w.Pushed(w.now, "honest", items(1, 1)), want)

		w = newWorld(t, txfetch.Config{}, "said")
		w.announce("said", c.said)
		r := w.request(w.after(pushWait), "said", hash(1))
		w.faults(w.Answered(w.now, r, items(1, 1)), want)
	}
}

// TestFirstAnnouncementCounts: a peer cannot change what it has said.
func TestFirstAnnouncementCounts(t *testing.T) {
	w := newWorld(t, txfetch.Config{}, "a", "b")
	w.announce("a", announce.Tx{Hash: hash(1), Type: 2, Size: 1})
	w.announce("a", tx(1))
	w.announce("a", tx(1))
	if s := w.State(); s.Announcements != 1 {
		t.Errorf("%+v", s)
	}
	w.faults(w.Pushed(w.now, "b", items(1, 1)), map[string]error{"a": txfetch.ErrSize})
	if s := w.State(); s.Announcements != 0 {
		t.Errorf("%+v", s)
	}
}

// TestUnaskedDeliveries: an answer has what was asked for, each once.
func TestUnaskedDeliveries(t *testing.T) {
	for name, answer := range map[string][]txfetch.Item{
		"another":           {item(7)},
		"one of its own":    {item(0), item(5)},
		"the same twice":    {item(0), item(0)},
		"endlessly":         items(0, 5000),
		"another, and more": {item(9), item(0), item(1)},
	} {
		w := newWorld(t, txfetch.Config{}, "a", "b")
		w.announce("a", txs(0, 3)...)
		r := w.request(w.after(pushWait), "a", hashes(0, 3)...)
		w.announce("a", txs(3, 4)...)
		w.now = w.now.Add(pushWait)
		a := w.Answered(w.now, r, answer)
		w.faults(a, map[string]error{"a": txfetch.ErrUnasked})
		if len(a.Requests) != 0 {
			t.Errorf("%s: the peer is asked again: %+v", name, a.Requests)
		}
	}
}

// TestBound: a peer may have 4,096 transactions announced, and what it sends costs no more than that.
func TestBound(t *testing.T) {
	w := newWorld(t, txfetch.Config{}, "a", "b")
	w.announce("a", txs(0, 10_000)...)
	w.announce("a", txs(20_000, 10_000)...)
	if s := w.State(); s.Announcements != txfetch.MaxAnnounced || s.Tracked != txfetch.MaxAnnounced || s.Dropped != 2 {
		t.Errorf("%+v", s)
	}
	w.announce("b", txs(30_000, 10)...)
	if s := w.State(); s.Tracked != txfetch.MaxAnnounced+10 {
		t.Errorf("another peer has no room: %+v", s)
	}
}

// TestAnnouncementsThatNeverCome: 1,000 a second for two minutes. The liar soon has few of them tracked and
// is seldom asked, while the other peer gets all of its own through.
func TestAnnouncementsThatNeverCome(t *testing.T) {
	for _, silent := range []bool{true, false} { // no answer, or an empty one at once
		w := newWorld(t, txfetch.Config{}, "liar", "honest")
		delivered, lastMinute, tracked := 0, 0, 0
		var perform func(a actions)
		perform = func(a actions) {
			for _, r := range a.Requests {
				switch {
				case r.Peer == "honest":
					var list []txfetch.Item
					for _, h := range r.Hashes {
						list = append(list, txfetch.Item{Hash: h, Type: 2, Whole: 110})
					}
					delivered += len(list)
					perform(w.Answered(w.now, r, list))
				case !silent:
					perform(w.Answered(w.now, r, nil))
				}
			}
			if len(a.Faults) > 0 {
				t.Fatalf("faults %+v", a.Faults)
			}
		}
		const tick = 100 * time.Millisecond
		for i := range 1200 {
			perform(w.announce("liar", txs(1_000_000+100*i, 100)...))
			perform(w.announce("honest", txs(10*i, 10)...))
			if i == 600 {
				lastMinute = int(w.State().Requested) - delivered
			}
			if i > 600 {
				tracked = max(tracked, w.State().Announcements)
			}
			perform(w.after(tick))
		}
		perform(w.after(time.Second))
		asked := int(w.State().Requested) - delivered - lastMinute
		if delivered != 12_000 {
			t.Errorf("silent %v: %d of 12,000 honest transactions came", silent, delivered)
		}
		if asked > 2500 || tracked > 600 {
			t.Errorf("silent %v: asked the liar for %d in the last minute, %d announcements tracked", silent, asked, tracked)
		}
	}
}

// TestAfterALieAnotherChance: once it delivers, a peer may announce as much as before.
func TestAfterALieAnotherChance(t *testing.T) {
	w := newWorld(t, txfetch.Config{}, "a")
	next := 0
	for range 20 {
		w.announce("a", txs(next, 300)...)
		a := w.after(pushWait)
		for len(a.Requests) > 0 {
			a = w.Answered(w.now, a.Requests[0], nil)
		}
		next += 300
	}
	w.announce("a", txs(next, 300)...)
	if s := w.State(); s.Announcements > 32 {
		t.Errorf("a liar has %d announcements tracked", s.Announcements)
	}
	for range 20 {
		a := w.after(pushWait)
		for len(a.Requests) > 0 {
			var list []txfetch.Item
			for _, h := range a.Requests[0].Hashes {
				list = append(list, txfetch.Item{Hash: h, Type: 2, Whole: 110})
			}
			a = w.Answered(w.now, a.Requests[0], list)
		}
		next += 5000
		w.announce("a", txs(next, 5000)...)
	}
	if s := w.State(); s.Announcements != txfetch.MaxAnnounced {
		t.Errorf("a peer that delivers has %d announcements tracked", s.Announcements)
	}
}

package blobs_test

import (
	"fmt"
	"iter"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/troupe-p2p/troupe/protocols/eth/blobs"
	"github.com/troupe-p2p/troupe/protocols/eth/ethtest"
)

const cellSize = 2048

// numbered returns hashes that are a peer's own.
func numbered(peer byte, n int) iter.Seq[common.Hash] {
	return func(yield func(common.Hash) bool) {
		for i := range n {
			if !yield(common.Hash{peer, byte(i), byte(i >> 8), 1}) {
				return
			}
		}
	}
}

// TestRequestsAreBounded: no request is for more cells than an answer has, and what is asked for counts
// before it comes.
func TestRequestsAreBounded(t *testing.T) {
	const blobsMax = blobs.MaxBlobs
	for _, c := range []struct {
		role float64
		want int // transactions of a request, with six blobs each
	}{{provider, 1024 / (64 * blobsMax)}, {sampler, 1024 / (4 * blobsMax)}} {
		b := newBench(t, c.role, "a", "b")
		b.do(b.Announced(b.now, "b", numbered(1, 100), little))
		b.do(b.Announced(b.now, "b", numbered(2, 100), all))
		b.do(b.Announced(b.now, "a", numbered(2, 100), all))
		for len(b.requests) > 0 {
			r := b.next(b.requests[0].Peer)
			if n := len(r.Hashes); n > c.want || n < 1 {
				t.Fatalf("a request for %d transactions, want at most %d", n, c.want)
			}
			if s := b.State(); s.Bytes < len(r.Hashes)*r.Mask.OneCount()*blobsMax*cellSize {
				t.Fatalf("%d bytes are reserved", s.Bytes)
			}
			b.answer(r)
		}
		if s := b.State(); s.Bytes != 0 {
			t.Errorf("%d bytes in the end", s.Bytes)
		}
	}
}

// TestShareOfAPeer: one whose transactions never become whole stops by itself, and gets no more of the buffer.
func TestShareOfAPeer(t *testing.T) {
	const share = 256 << 10
	b := benchOf(t, blobs.Config{Bytes: 8 << 20, Share: share, Custody: custody, Random: func() float64 { return sampler }}, "a", "b")
	b.Joined("c")
	var txs []*transaction
	for i := range 40 {
		txs = append(txs, sign(ethtest.Blob(byte(1+i%3)), uint64(i)))
	}
	b.announce("a", all, txs...)
	b.announce("c", all, txs...)
	b.do(b.Left(b.now, "c")) // a alone is asked
	b.requests = b.requests[:1]
	answers := 0
	for ; len(b.requests) > 0; answers++ {
		r := b.next(b.requests[0].Peer)
		var cells []blobs.Cells
		for _, hash := range r.Hashes {
			for _, x := range txs {
				if x.hash() == hash {
					cells = append(cells, x.answer(r.Mask))
				}
			}
		}
		b.answer(r, cells...) // and never a body
		if s := b.State(); s.Bytes > share {
			t.Fatalf("%d bytes", s.Bytes)
		}
	}
	if s := b.State(); answers < 2 || s.Bytes < share/3 {
		t.Fatalf("%d answers, %d bytes", answers, s.Bytes)
	}
	for _, x := range txs { // the bodies come after all, and give room for the rest
		b.body("b", x.tx)
		for len(b.requests) > 0 {
			r := b.next(b.requests[0].Peer)
			var cells []blobs.Cells
			for _, hash := range r.Hashes {
				for _, x := range txs {
					if x.hash() == hash {
						cells = append(cells, x.answer(r.Mask))
					}
				}
			}
			b.answer(r, cells...)
		}
	}
	b.expect(len(txs))
	b.empty()
}

// TestFullBuffer: the peer that holds most loses its oldest, so that many that fill it don't keep out another.
func TestFullBuffer(t *testing.T) {
	const bytes, share = 2 << 20, 1 << 20
	b := benchOf(t, blobs.Config{Bytes: bytes, Share: share, Random: func() float64 { return provider }}, "good")
	n := 0
	for i := range 8 {
		p := fmt.Sprint("flood", i)
		b.Joined(p)
		for range 30 {
			n++
			b.body(p, sign(ethtest.Blob(byte(1+i)), uint64(1000+n)).tx)
			b.tick(0)
		}
		for _, hash := range []byte{1, 2} {
			b.do(b.Announced(b.now, p, numbered(byte(i)*2+hash, 10), all))
		}
		if s := b.State(); s.Bytes > bytes {
			t.Fatalf("%d bytes", s.Bytes)
		}
	}
	for len(b.requests) > 0 {
		b.requests = b.requests[1:] // they never answer
	}
	x := sign(ethtest.Blob(99), 0)
	b.announce("good", all, x)
	b.body("good", x.tx)
	b.answer(b.next("good"), x.answer(data))
	b.expect(1)
	if s := b.State(); s.Evicted == 0 || s.Bytes > bytes {
		t.Errorf("%+v", s)
	}
}

// TestAnnouncementsAreBounded: for a peer, and for all: then the one with the most loses its oldest.
func TestAnnouncementsAreBounded(t *testing.T) {
	b := newBench(t, sampler)
	for i := range 30 {
		p := fmt.Sprint(i)
		b.Joined(p)
		b.do(b.Announced(b.now, p, numbered(byte(i), 5000), all))
	}
	s := b.State()
	if s.Announcements != 16384 || s.Tracked != 16384 || s.Dropped == 0 {
		t.Errorf("%+v", s)
	}
	x := sign(ethtest.Blob(1), 0)
	b.Joined("a")
	b.Joined("b")
	b.announce("a", all, x)
	b.announce("b", all, x)
	b.body("a", x.tx)
	b.answer(b.next("a"), x.answer(custody))
	b.expect(1)
	b.tick(2 * time.Second) // all are asked for now; nothing answers
	for range 100 {
		b.tick(10 * time.Second)
	}
	b.empty()
}

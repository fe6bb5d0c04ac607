package eth_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/troupe-p2p/troupe/actors/actortest"
	"github.com/troupe-p2p/troupe/node"
	"github.com/troupe-p2p/troupe/protocols/eth"
)

// TestTrustedWhileLinked: the operator makes a stranger trusted, or ends that, while its link is up (admin_addTrustedPeer,
// admin_removeTrustedPeer). From then on its head counts without a vote, or not.
func TestTrustedWhileLinked(t *testing.T) {
	n, files := testChain(t)
	actortest.Bubble(t, func(t *testing.T) {
		w := newWorld(t, n, files)
		w.serve(eth.Config{})
		w.grow(500)
		follower, self := w.follow()
		stranger := w.nodes[0].Self()
		for _, c := range []struct {
			change     func()
			grow, want uint64
		}{
			{func() {}, 510, 0},
			{func() { self.AddTrusted(stranger) }, 520, 520},
			{func() { self.RemoveTrusted(stranger.ID()) }, 530, 520},
			{func() { w.dial(self, w.nodes[0]) }, 540, 540}, // static
			{func() { self.RemovePeer(stranger.ID()); w.dial(w.nodes[0], self) }, 550, 540},
		} {
			c.change()
			w.grow(c.grow)
			actortest.After(time.Minute)
			if got := follower.View().Range().Latest; got != c.want {
				t.Errorf("the stranger is at block %d, the follower at %d, want %d", c.grow, got, c.want)
			}
		}
	})
}

// TestTransactionsOfTrustedWhileLinked: what a stranger alone has announced goes on once the operator has made it
// trusted, and it announces or sends more.
func TestTransactionsOfTrustedWhileLinked(t *testing.T) {
	n, files := testChain(t)
	wallet := newWallet(t, n)
	actortest.Bubble(t, func(t *testing.T) {
		h := newHub(t, eth.Config{Chain: n, Source: files}, nil)
		a, watcher := newRemote(t), newRemote(t)
		var stranger *node.Node
		for at, r := range map[string]*remote{"10.1.0.1:30303": a, "10.9.0.1:30303": watcher} {
			other := h.start(t, r, netip.MustParseAddrPort(at), h.Self())
			h.await(t, r)
			if r == a {
				stranger = other
			}
		}
		txs := wallet.txs(3)
		for i, c := range []struct {
			change func()
			want   int
		}{
			{func() {}, 0},
			{func() { h.AddTrusted(stranger.Self()) }, 1},
			{func() { h.RemoveTrusted(stranger.ID()) }, 0},
		} {
			c.change()
			a.announce(txs[i])
			actortest.After(5 * time.Second)
			if pushed, told := watcher.got(txs[i]); pushed != 0 || told != c.want {
				t.Errorf("transaction %d came %d times in full and %d times by its hash, want 0 and %d", i, pushed, told, c.want)
			}
		}
	})
}

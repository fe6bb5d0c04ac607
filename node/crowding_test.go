package node_test

import (
	"context"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/troupe-p2p/troupe/node"
	"github.com/troupe-p2p/troupe/node/nodetest"
)

// TestEclipse: somebody has a thousand node IDs in one /24, dials with all of them and
// has us dial them. He gets his share, and all others find their places.
func TestEclipse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		world := nodetest.NewNetwork()
		c := newCrowd(t, 1000, neighbours)
		n := memNode(t, world, home, func(cfg *node.Config) {
			cfg.MaxPeers = 50
			cfg.Candidates, cfg.Dial = enode.CycleNodes(c.nodes), c.welcome
		})
		attackers := func() (list []node.PeerInfo) {
			for _, p := range n.Peers() {
				if netip.MustParsePrefix("203.0.113.0/24").Contains(p.RemoteAddr.Addr()) {
					list = append(list, p)
				}
			}
			return list
		}
		for i := range 200 {
			conn := open(t, world, neighbours(i), home)
			session, err := greetOver(conn, c.keys[netip.AddrPortFrom(neighbours(i), uint16(10000+i))], n)
			if err != nil {
				conn.Close()
				continue
			}
			go stay(conn, session)
		}
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		if got := len(attackers()); got != 10 {
			t.Errorf("%d of 50 places taken, want the share of 10", got)
		}
		for i := range 60 {
			conn := open(t, world, scattered(i), home)
			if session, err := greetOver(conn, newKey(t), n); err == nil {
				go stay(conn, session)
			}
		}
		synctest.Wait()
		inbound := 0
		for _, p := range n.Peers() {
			if p.Inbound {
				inbound++
			}
		}
		if inbound != 50-16 || len(attackers()) != 10 {
			t.Errorf("%d have come in beside the %d of that network, want all places but those kept for dials taken", inbound, len(attackers()))
		}
	})
}

// TestFlood: 200 addresses connect again and again, half of them saying nothing, the
// others as peers that want to stay. A static peer stays linked, and is linked again when
// it comes back.
func TestFlood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		world := nodetest.NewNetwork()
		key := newKey(t)
		partner := func() *node.Node {
			return memNode(t, world, friend, func(c *node.Config) { c.Key = key })
		}
		p := partner()
		n := memNode(t, world, home, func(c *node.Config) {
			c.MaxPeers = 50
			c.StaticNodes = []*enode.Node{enode.NewV4(&key.PublicKey, friend.Addr().AsSlice(), 30303, 0)}
		})
		w := watch(t, n)
		eventually(t, "linked with the static node", func() bool { return n.PeerCount() == 1 })
		ctx, cancel := context.WithCancel(t.Context())
		var flood sync.WaitGroup
		for i := range 200 {
			flood.Add(1)
			go func() {
				defer flood.Done()
				for ctx.Err() == nil {
					conn, err := world.DialFrom(scattered(i))(ctx, home)
					if err != nil {
						return
					}
					unwatch := context.AfterFunc(ctx, func() { conn.Close() })
					if i%2 == 0 {
						if session, err := greetOver(conn, newKey(t), n); err == nil {
							stay(conn, session)
						}
					}
					sleep(ctx, 10*time.Second)
					unwatch()
					conn.Close()
				}
			}()
		}
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if got := n.PeerCount(); got != 50 {
			t.Errorf("%d peers in the flood, want all places taken", got)
		}
		for range 3 {
			stopNode(t, p)
			time.Sleep(30 * time.Second)
			begin := time.Now()
			p = partner()
			w.until("linked again", func(e node.Event) bool { return e.Kind == node.PeerAdded && e.Peer.Static })
			if took := time.Since(begin); took > time.Minute {
				t.Errorf("linked again after %v, want within the minute that a redial takes at most", took)
			}
		}
		cancel()
		flood.Wait()
		stopNode(t, n)
	})
}

func sleep(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

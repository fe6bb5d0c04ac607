package node_test

import (
	"context"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/troupe-p2p/troupe/actors/actortest"
	"github.com/troupe-p2p/troupe/node"
	"github.com/troupe-p2p/troupe/node/nodetest"
	"github.com/troupe-p2p/troupe/node/nodetest/fixture"
)

// TestEclipse: an attacker with a thousand node IDs in one /24 dials the node with many of them,
// and has the node dial the others. It gets its share of the places, and others get theirs.
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
			remote, err := greetOver(conn, c.keys[netip.AddrPortFrom(neighbours(i), uint16(10000+i))], n)
			if err != nil {
				conn.Close()
				continue
			}
			go remote.Idle()
		}
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		if got := len(attackers()); got != 10 {
			t.Errorf("the attacker has %d of 50 places, want its share of 10", got)
		}
		for i := range 60 {
			conn := open(t, world, scattered(i), home)
			if remote, err := greetOver(conn, fixture.Key(t), n); err == nil {
				go remote.Idle()
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
			t.Errorf("%d inbound peers and %d attackers, want all places but the 16 for dials taken, 10 by attackers", inbound, len(attackers()))
		}
	})
}

// TestFlood: 200 addresses connect repeatedly, half of them silent, the others as peers. A static
// peer keeps its link, and has it again after it restarts.
func TestFlood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		world := nodetest.NewNetwork()
		key := fixture.Key(t)
		partner := func() *node.Node {
			return memNode(t, world, friend, func(c *node.Config) { c.Key = key })
		}
		p := partner()
		n := memNode(t, world, home, func(c *node.Config) {
			c.MaxPeers = 50
			c.StaticNodes = []*enode.Node{enode.NewV4(&key.PublicKey, friend.Addr().AsSlice(), 30303, 0)}
		})
		w := nodetest.Watch(t, n)
		actortest.Eventually(t, "a link to the static node", func() bool { return n.PeerCount() == 1 })
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
						if remote, err := greetOver(conn, fixture.Key(t), n); err == nil {
							remote.Idle()
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
			t.Errorf("%d peers during the flood, want 50", got)
		}
		for range 3 {
			nodetest.Stop(t, p)
			time.Sleep(30 * time.Second)
			begin := time.Now()
			p = partner()
			w.Until("the link to the static node", func(e node.Event) bool { return e.Kind == node.PeerAdded && e.Peer.Static })
			if took := time.Since(begin); took > time.Minute {
				t.Errorf("linked after %v, want within a minute, the longest pause before a redial", took)
			}
		}
		cancel()
		flood.Wait()
		nodetest.Stop(t, n)
	})
}

// sleep waits for d, or until ctx ends.
func sleep(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

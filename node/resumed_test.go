package node_test

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/troupe-p2p/troupe/actors/actortest"
	"github.com/troupe-p2p/troupe/node"
	"github.com/troupe-p2p/troupe/node/nodetest"
	"github.com/troupe-p2p/troupe/node/nodetest/fixture"
)

// stalls are the ways in which a node may not run for 70 s.
var stalls = []struct {
	name       string
	begin, end func(*actortest.Clock)
}{
	{"process stopped", (*actortest.Clock).Stop, (*actortest.Clock).Continue},
	{"machine suspended", (*actortest.Clock).Suspend, (*actortest.Clock).Resume},
}

// TestStall: a node does not run for 70 s. The link to a peer that is still there stays. Peers that
// hung up meanwhile are linked again within five seconds, and a peer that is gone is found out in
// ten. None of them gets points.
func TestStall(t *testing.T) {
	for _, stall := range stalls {
		t.Run(stall.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				world := nodetest.NewNetwork()
				at := addrs("198.51.100.1:30303", "203.0.113.2:30303", "192.0.2.3:30303", "198.18.0.4:30303", "198.18.1.5:30303")
				clocks := [2]*actortest.Clock{new(actortest.Clock), new(actortest.Clock)}
				static, candidate := memNode(t, world, at[1], nil), memNode(t, world, at[2], nil)
				n := memNode(t, world, at[0], func(c *node.Config) {
					c.Clock, c.StaticNodes = clocks[0], []*enode.Node{static.Self()}
					c.Candidates = enode.IterNodes([]*enode.Node{candidate.Self()})
				})
				dialsUs := func(c *node.Config) { c.StaticNodes = []*enode.Node{n.Self()} }
				patient := memNode(t, world, at[3], func(c *node.Config) { c.Clock = clocks[1]; dialsUs(c) })
				gone := memNode(t, world, at[4], dialsUs)
				actortest.After(time.Minute)
				if n.PeerCount() != 4 {
					t.Fatalf("%d peers, want 4", n.PeerCount())
				}
				since := nodetest.Peer(t, n, patient.ID()).Since

				for _, c := range clocks {
					stall.begin(c)
				}
				away := [][]netip.Addr{{at[0].Addr(), at[3].Addr()}}
				world.Partition(away...)
				actortest.After(70 * time.Second)
				if static.PeerCount() != 0 || candidate.PeerCount() != 0 || gone.PeerCount() != 0 {
					t.Fatal("the peers did not hang up in 70 s")
				}
				world.Partition([]netip.Addr{at[4].Addr()})
				for _, c := range clocks {
					stall.end(c)
				}
				actortest.After(5 * time.Second)
				nodetest.Peer(t, n, static.ID())
				nodetest.Peer(t, n, candidate.ID())
				if got := nodetest.Peer(t, n, patient.ID()).Since; got != since {
					t.Error("the link to the peer that is still there was lost and made again")
				}
				actortest.After(5 * time.Second)
				if n.PeerCount() != 3 {
					t.Errorf("%d peers after ten seconds, want 3", n.PeerCount())
				}
				for name, s := range map[string]node.State{"the node": n.State(), "the patient peer": patient.State()} {
					if s.Bans.Offences != 0 {
						t.Errorf("%s counted %d offences", name, s.Bans.Offences)
					}
				}
			})
		})
	}
}

// TestStallDuringSetup: an inbound handshake that fails because the node did not run is no offence of
// the remote.
func TestStallDuringSetup(t *testing.T) {
	for stalled, offences := range map[bool]uint64{false: 1, true: 0} {
		synctest.Test(t, func(t *testing.T) {
			world, clock := nodetest.NewNetwork(), new(actortest.Clock)
			n := memNode(t, world, home, func(c *node.Config) { c.Clock = clock })
			w := nodetest.Watch(t, n)
			actortest.After(time.Minute)
			if stalled {
				clock.Stop()
			}
			actortest.After(30 * time.Second)
			open(t, world, publicHost, home)
			actortest.After(2 * time.Second)
			clock.Continue()
			w.Next(node.SetupFailed)
			synctest.Wait() // the peers actor judges a failure after its event
			if s := n.State(); s.Bans.Offences != offences {
				t.Errorf("stalled %v: %d offences, want %d", stalled, s.Bans.Offences, offences)
			}
		})
	}
}

// TestWallClockSet: the wall clock is set forward and back by hours. No link ends, and no ban ends
// before or after its time, also over a restart.
func TestWallClockSet(t *testing.T) {
	for _, by := range []time.Duration{5 * time.Hour, -5 * time.Hour} {
		t.Run(by.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				world, clock, dir := nodetest.NewNetwork(), new(actortest.Clock), t.TempDir()
				kept := func(c *node.Config) { c.Clock, c.DataDir = clock, dir }
				n := memNode(t, world, home, kept)
				other := memNode(t, world, friend, func(c *node.Config) { c.StaticNodes = []*enode.Node{n.Self()} })
				target := node.BanID(fixture.ID(fixture.Key(t)))
				if err := n.Ban(target, 2*time.Hour, "test"); err != nil {
					t.Fatal(err)
				}
				actortest.After(time.Minute)
				since := nodetest.Peer(t, n, other.ID()).Since
				clock.Set(by)
				actortest.After(58 * time.Minute)
				if nodetest.Peer(t, n, other.ID()).Since != since {
					t.Error("the link ended")
				}
				ends := clock.Wall().Add(time.Hour + time.Minute)
				if list := n.Bans(); len(list) != 1 || !list[0].Until.Equal(ends) || list[0].Until.Sub(list[0].Since) != 2*time.Hour {
					t.Errorf("bans %+v, want one until %v", list, ends)
				}
				text, err := os.ReadFile(filepath.Join(dir, "bans.json"))
				if err != nil || !strings.Contains(string(text), ends.UTC().Format("2006-01-02T15:04")) {
					t.Errorf("bans.json is %s, %v; want the end %v", text, err, ends)
				}
				nodetest.Stop(t, n)
				actortest.After(2 * time.Second)
				n = memNode(t, world, home, kept)
				actortest.After(58 * time.Minute)
				if len(n.Bans()) != 1 {
					t.Error("the ban ended before its time")
				}
				actortest.After(5 * time.Minute)
				if len(n.Bans()) != 0 {
					t.Error("the ban did not end in time")
				}
			})
		})
	}
}

// TestBanOfAWrongClock: a ban that was made while the clock was wrong lasts no longer than it was
// made for.
func TestBanOfAWrongClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		world, clock, dir := nodetest.NewNetwork(), new(actortest.Clock), t.TempDir()
		kept := func(c *node.Config) { c.Clock, c.DataDir = clock, dir }
		n := memNode(t, world, home, kept)
		if err := n.Ban(node.BanID(fixture.ID(fixture.Key(t))), time.Hour, "test"); err != nil {
			t.Fatal(err)
		}
		nodetest.Stop(t, n)
		clock.Set(-24 * 365 * time.Hour)
		n = memNode(t, world, home, kept)
		actortest.After(time.Hour)
		if len(n.Bans()) != 0 {
			t.Error("the ban did not end")
		}
	})
}

package node

import (
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/troupe-p2p/troupe/actors/supervise"
	"github.com/troupe-p2p/troupe/nat/netaddr"
	"github.com/troupe-p2p/troupe/node/refusal"
)

// ErrProtected: static and trusted nodes are never banned.
var ErrProtected = errors.New("static and trusted nodes can't be banned")

// conduct is how remotes have behaved, and who is banned for it. Peers reports offences,
// the node's methods ban and lift, and whoever admits asks.
type conduct struct {
	mu         sync.Mutex
	reputation reputation
	bans       banList
	changes    int // counts what a file of bans must be told
}

// offend takes down an offence of a node, and of the host it came from, where they are
// known. It gives the bans that are new.
func (c *conduct) offend(id enode.ID, addr netip.Addr, o offence, now time.Time) []Ban {
	if o == inoffensive {
		return nil
	}
	var who []BanTarget
	if id != (enode.ID{}) {
		who = append(who, BanID(id))
	}
	if !netaddr.Private(addr) {
		who = append(who, BanTarget{Net: netaddr.Host(addr)})
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	var fresh []Ban
	for _, t := range who {
		d := c.reputation.record(t, o, now)
		if d == 0 {
			continue
		}
		b := Ban{Target: t, Since: now, Until: now.Add(d), Reason: "bad conduct, at last: " + o.String(), Automatic: true}
		if c.bans.add(b, now) {
			c.changes++
			fresh = append(fresh, b)
		}
	}
	return fresh
}

func (c *conduct) ban(b Ban, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.bans.add(b, now)
	c.changes++
}

// lift ends a ban and gives the target its good name back. It says whether there was a
// ban in force.
func (c *conduct) lift(t BanTarget, now time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.reputation.forget(t)
	b, ok := c.bans.bans[t]
	if ok {
		c.bans.lift(t)
		c.changes++
	}
	return ok && now.Before(b.Until)
}

// check gives an [ErrBanned] for a node or an address that is banned. Either may be
// unknown.
func (c *conduct) check(id enode.ID, addr netip.Addr, now time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if b, ok := c.bans.banned(id, addr, now); ok {
		return &refusal.Banned{Reason: b.Reason}
	}
	return nil
}

func (c *conduct) list(now time.Time) []Ban {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.bans.list(now)
}

// unsaved gives the bans in force if they have changed since the given count of changes,
// and the count that they stand for.
func (c *conduct) unsaved(saved int, now time.Time) (list []Ban, changes int, changed bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.changes == saved {
		return nil, saved, false
	}
	c.bans.prune(now)
	return c.bans.list(now), c.changes, true
}

// restore takes in the bans of an earlier run.
func (c *conduct) restore(list []Ban, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, b := range list {
		if now.Before(b.Until) {
			c.bans.add(b, now)
		}
	}
}

// Ban keeps a node or a network out for a time, at least a second, over restarts too if
// there is a DataDir. Links that it concerns end; in place of a ban on the same target it
// sets a new end. Static and trusted nodes are never banned: one of those as the target
// is ErrProtected, and a network's ban does not concern them.
func (n *Node) Ban(target BanTarget, d time.Duration, reason string) error {
	if err := target.check(); err != nil {
		return err
	}
	if d < time.Second {
		return fmt.Errorf("ban %v: for %v, want at least a second", target, d)
	}
	if n.roster.markOf(target.ID).protected() {
		return fmt.Errorf("ban %v: %w", target, ErrProtected)
	}
	now := n.rt.Clock.Now()
	n.conduct.ban(Ban{Target: target, Since: now, Until: now.Add(d), Reason: reason}, now)
	n.log.Info("banned", "target", target, "for", d, "reason", reason)
	n.bansChanged(&dropBanned{})
	return nil
}

// Unban lifts a ban, and gives its target a clean slate. It says whether there was a ban
// on exactly this target.
func (n *Node) Unban(target BanTarget) bool {
	lifted := n.conduct.lift(target, n.rt.Clock.Now())
	if lifted {
		n.log.Info("ban lifted", "target", target)
	}
	n.bansChanged()
	return lifted
}

// pardon lifts the ban on a node that became static or trusted. The file follows with the
// next ban, or when the node stops.
func (n *Node) pardon(id enode.ID) {
	if n.conduct.lift(BanID(id), n.rt.Clock.Now()) {
		n.log.Info("ban lifted: the node is static or trusted now", "target", id)
	}
}

// Bans lists the bans in force, the one that ends first at the front.
func (n *Node) Bans() []Ban { return n.conduct.list(n.rt.Clock.Now()) }

// banned gives an [ErrBanned] for a node or address that is banned now.
func (n *Node) banned(id enode.ID, addr netip.Addr) error {
	return n.conduct.check(id, addr, n.rt.Clock.Now())
}

// bansChanged tells the actors, if the node runs. What changes before is seen by them
// when they start.
func (n *Node) bansChanged(toPeers ...any) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.state != stateRunning {
		return
	}
	supervise.Send(n.rt.System.Root, n.bans, &bansChanged{})
	for _, msg := range toPeers {
		supervise.Send(n.rt.System.Root, n.peers, msg)
	}
}

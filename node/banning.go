package node

import (
	"fmt"
	"time"

	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/troupe-p2p/troupe/node/bans"
	"github.com/troupe-p2p/troupe/node/peers"
)

// Ban keeps a node or a network out for a time of at least a second. With a DataDir the ban
// outlives restarts. Links that it concerns end. It replaces an earlier ban on the same
// target. If the target is a static or trusted node, the error is [ErrProtected]. A ban on a
// network does not concern such nodes.
func (n *Node) Ban(target BanTarget, d time.Duration, reason string) error {
	if err := target.Check(); err != nil {
		return err
	}
	if d < time.Second {
		return fmt.Errorf("ban %v: time %v, want at least a second", target, d)
	}
	if n.table.KnownOf(target.ID).Protected() {
		return fmt.Errorf("ban %v: %w", target, ErrProtected)
	}
	b := n.ledger.Ban(target, d, reason)
	n.cfg.Logger.Info("banned", "target", target, "until", b.Until, "reason", reason)
	n.bansChanged(&peers.DropBanned{})
	return nil
}

// Unban lifts a ban and forgets the offences of its target. It returns false if there was
// no ban on exactly this target.
func (n *Node) Unban(target BanTarget) bool {
	lifted := n.ledger.Lift(target)
	if lifted {
		n.cfg.Logger.Info("ban lifted", "target", target)
	}
	n.bansChanged()
	return lifted
}

// Bans lists the bans in force. The ban that ends first comes first.
func (n *Node) Bans() []Ban { return n.ledger.List() }

// pardon lifts the ban on a node that became static or trusted. The file follows with the
// next ban, or when the node stops.
func (n *Node) pardon(id enode.ID) {
	if n.ledger.Lift(bans.ByID(id)) {
		n.cfg.Logger.Info("ban lifted: the node is static or trusted now", "target", id)
	}
}

// bansChanged notifies the actors, if the node runs. They see earlier changes when they
// start.
func (n *Node) bansChanged(toPeers ...any) {
	_ = n.ifRunning(func() {
		n.rt.Send(n.pids.bans, &bans.Changed{})
		for _, msg := range toPeers {
			n.rt.Send(n.pids.peers, msg)
		}
	})
}

package node

import (
	"fmt"
	"time"

	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/troupe-p2p/troupe/node/bans"
	"github.com/troupe-p2p/troupe/node/peers"
)

// maxReason is the maximum length of the reason of a ban in bytes.
const maxReason = 1024

// Ban keeps a node or a network out for a time of at least a second. With a DataDir the ban
// outlives restarts and crashes: Ban returns when the disk has it, so do not call it from an
// actor. Links that it concerns end. It replaces an earlier ban on the same target. If the
// target is a static or trusted node, the error is [ErrProtected]. A ban on a network does not
// concern such nodes. With the error [ErrBanNotKept] the ban is in force, until the node stops.
// The node itself can't be banned, and reason has at most 1024 bytes.
func (n *Node) Ban(target BanTarget, d time.Duration, reason string) error {
	if err := target.Check(); err != nil {
		return err
	}
	if d < time.Second {
		return fmt.Errorf("ban %v: time %v, want at least a second", target, d)
	}
	if target.ID == n.id {
		return fmt.Errorf("ban %v: it is this node itself", target)
	}
	if len(reason) > maxReason {
		return fmt.Errorf("ban %v: a reason of %d bytes, want at most %d", target, len(reason), maxReason)
	}
	if n.table.KnownOf(target.ID).Protected() {
		return fmt.Errorf("ban %v: %w", target, ErrProtected)
	}
	b, kept := n.ledger.Ban(target, d, reason)
	n.cfg.Logger.Info("banned", "target", target, "until", b.Until, "reason", reason)
	n.bansChanged(&peers.DropBanned{})
	if err := <-kept; err != nil {
		return fmt.Errorf("ban %v: the ban is in force until the node stops, but %w: %w", target, ErrBanNotKept, err)
	}
	return nil
}

// LiftBan lifts a ban and forgets the offences of its target. It returns false if there was
// no ban on exactly this target. As Ban, it returns when the disk has the change. With the error
// [ErrBanNotKept] the ban is lifted, but may be in force again when the node has restarted.
func (n *Node) LiftBan(target BanTarget) (lifted bool, err error) {
	lifted, kept := n.ledger.Lift(target)
	if lifted {
		n.cfg.Logger.Info("ban lifted", "target", target)
	}
	n.bansChanged()
	if err := <-kept; err != nil {
		return lifted, fmt.Errorf("unban %v: the ban is lifted until the node stops, but %w: %w", target, ErrBanNotKept, err)
	}
	return lifted, nil
}

// Unban is [Node.LiftBan] for callers that need no error.
func (n *Node) Unban(target BanTarget) bool {
	lifted, _ := n.LiftBan(target) // the bans actor logs that it can't write
	return lifted
}

// Bans lists the bans in force. The ban that ends first comes first.
func (n *Node) Bans() []Ban { return n.ledger.List() }

// pardon lifts the ban on a node that became static or trusted. bansChanged must follow, if the
// node runs.
func (n *Node) pardon(id enode.ID) {
	if lifted, _ := n.ledger.Lift(bans.ByID(id)); lifted {
		n.cfg.Logger.Info("ban lifted: the node is static or trusted now", "target", id)
	}
}

// bansChanged notifies the actors, or writes the bans before there are any. Actors that start
// later see earlier changes.
func (n *Node) bansChanged(toPeers ...any) {
	err := n.ifRunning(func() {
		n.rt.Send(n.pids.bans, &bans.Changed{})
		for _, msg := range toPeers {
			n.rt.Send(n.pids.peers, msg)
		}
	})
	if err != nil {
		n.ledger.Save(false)
	}
}

package node

import (
	"errors"
	"fmt"
	"slices"

	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/troupe-p2p/troupe/nat/netaddr"
	"github.com/troupe-p2p/troupe/node/bans"
	"github.com/troupe-p2p/troupe/node/dial"
	"github.com/troupe-p2p/troupe/node/peers"
)

// This file has the static and trusted nodes. Each of them passes a check here, in whatever way
// it comes: checkStatic or checkTrusted.

var (
	errNilNode     = errors.New("node is nil")
	errNoPublicKey = errors.New("no public key")
)

// AddPeer makes a node static: the dialer keeps a link to it from now on. If the node is static
// already, its new address is dialed next, and the earlier ones remain: the node has up to
// eight, of which the oldest is forgotten first. The error is [ErrSelf] for this node itself, and
// [ErrNoAddress] for a node without an address if there is no discovery to find it.
func (n *Node) AddPeer(node *enode.Node) error {
	var refused error
	err := n.ifRunning(func() {
		if refused = n.checkStatic(node); refused == nil {
			n.setStatic(node)
			n.rt.Send(n.pids.bans, &bans.Changed{})
			n.rt.Send(n.pids.dialer, &dial.AddStatic{Node: node})
		}
	})
	if refused != nil {
		return fmt.Errorf("add peer %v: %w", node, refused)
	}
	return err
}

// RemovePeer ends the link to a node, and stops dialing the node.
func (n *Node) RemovePeer(id enode.ID) error {
	return n.ifRunning(func() {
		n.table.SetStatic(id, false)
		n.rt.Send(n.pids.dialer, &dial.RemoveStatic{ID: id})
		n.rt.Send(n.pids.peers, &peers.Drop{ID: id})
	})
}

// AddTrusted makes a node trusted: from now on it is admitted even beyond the limit. This node
// itself, and a node without a public key, can't be trusted: the log says so, and nothing changes.
func (n *Node) AddTrusted(node *enode.Node) {
	if err := n.addTrusted(node); err != nil {
		n.cfg.Logger.Warn("adding a trusted node failed", "node", node, "err", err)
	}
}

// RemoveTrusted makes a node count towards the limit again. A link to it stays.
func (n *Node) RemoveTrusted(id enode.ID) { n.table.SetTrusted(id, false) }

func (n *Node) addTrusted(node *enode.Node) error {
	if err := n.checkTrusted(node); err != nil {
		return err
	}
	n.table.SetTrusted(node.ID(), true)
	n.located(node)
	n.bansChanged()
	return nil
}

// addTrustedID is addTrusted for a node of which only the ID is known.
func (n *Node) addTrustedID(id enode.ID) error {
	if id == n.id {
		return ErrSelf
	}
	n.table.SetTrusted(id, true)
	n.pardon(id)
	n.bansChanged()
	return nil
}

func (n *Node) setStatic(node *enode.Node) {
	n.table.SetStatic(node.ID(), true)
	n.located(node)
}

func (n *Node) located(node *enode.Node) {
	n.pardon(node.ID())
	n.table.Locate(node.ID(), peers.PlaceName(node), netaddr.Addrs(node))
}

// checkStatic returns why a node can't be static, nil if it can.
func (n *Node) checkStatic(node *enode.Node) error {
	if err := n.checkTrusted(node); err != nil {
		return err
	}
	return checkAddress(node, n.cfg.Discovery.speaks())
}

// checkTrusted returns why a node can't be trusted, nil if it can. Neither a trusted nor a static
// node may be this node itself: a place would be kept for it for ever.
func (n *Node) checkTrusted(node *enode.Node) error {
	switch {
	case node == nil:
		return errNilNode
	case node.Pubkey() == nil:
		return errNoPublicKey
	case node.ID() == n.id:
		return ErrSelf
	}
	return nil
}

// addConfigured adds the static and trusted nodes of the Config. It leaves out this node itself,
// because the nodes of a network are often configured with the same list.
func (n *Node) addConfigured() error {
	var errs []error
	other := func(use string, nodes []*enode.Node, add func(*enode.Node) error) []*enode.Node {
		return slices.DeleteFunc(slices.Clone(nodes), func(node *enode.Node) bool {
			err := add(node)
			switch {
			case errors.Is(err, ErrSelf):
				n.cfg.Logger.Info("this node itself is left out of the "+use+" nodes", "node", node)
			case err != nil:
				errs = append(errs, fmt.Errorf("%s node %v: %w", use, node, err))
			}
			return err != nil
		})
	}
	n.cfg.TrustedNodes = other("trusted", n.cfg.TrustedNodes, n.addTrusted)
	n.cfg.StaticNodes = other("static", n.cfg.StaticNodes, func(node *enode.Node) error {
		err := n.checkStatic(node)
		if err == nil {
			n.setStatic(node)
		}
		return err
	})
	return errors.Join(errs...)
}

package node

import (
	"github.com/troupe-p2p/troupe/nat"
	"github.com/troupe-p2p/troupe/node/admin"
	"github.com/troupe-p2p/troupe/node/bans"
	"github.com/troupe-p2p/troupe/node/dial"
	"github.com/troupe-p2p/troupe/node/discovery"
	"github.com/troupe-p2p/troupe/node/listen"
	"github.com/troupe-p2p/troupe/node/peers"
	"github.com/troupe-p2p/troupe/node/punch"
	"github.com/troupe-p2p/troupe/node/record"
	"github.com/troupe-p2p/troupe/node/setup"
)

// State is a snapshot of all parts of a node. A part that the node does not have, or has not
// started, is zero. Its counters begin with the node and only grow.
type State struct {
	Peers     peers.State
	Setup     setup.State
	Dial      dial.State
	Bans      bans.State
	Listen    listen.State
	Record    record.State
	Discovery discovery.State
	Punch     punch.State
	NAT       nat.Status
	Admin     admin.State
}

// State returns a snapshot. It asks no actor, so that it answers also when actors are busy.
func (n *Node) State() State {
	s := State{Peers: n.table.State(), Bans: n.ledger.State(), Record: n.record.State()}
	s.NAT, _ = n.record.NAT()
	return started(n, s, func() State {
		s.Setup, s.Dial, s.Listen = n.setup.State(), n.dialer.State(), n.sockets.State()
		if n.discovery != nil {
			s.Discovery = n.discovery.State()
		}
		if n.punch != nil {
			s.Punch = n.punch.State()
		}
		if n.adminSockets != nil {
			s.Admin = n.adminSockets.State()
		}
		return s
	})
}

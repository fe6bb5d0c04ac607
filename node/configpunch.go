package node

import "github.com/troupe-p2p/troupe/node/punch"

// HolePunching is how the node gets through NATs at which no port is mapped, and helps other
// nodes to do so. docs/hole-punching.md has the protocol. With the zero value the node takes
// part if discovery v5 runs and the node listens.
type HolePunching struct {
	// Off disables hole punching. The node's record then has no entry of it.
	Off bool
	// Private admits endpoints on loopback and private networks. It is for networks without
	// public addresses, and for tests. On the Internet, strangers could make the node send
	// datagrams to hosts of its own network.
	Private bool
}

// punches reports whether the node takes part in hole punching.
func (c Config) punches() bool {
	return !c.HolePunching.Off && c.Discovery != nil && c.Discovery.V5 && len(c.Listen) > 0
}

// HolePunching returns the state of hole punching: the node's NAT, its relays and the outcomes
// of calls. ok is false if the node takes no part in hole punching, or was not started.
func (n *Node) HolePunching() (state punch.State, ok bool) {
	service := started(n, nil, func() *punch.Service { return n.punch })
	if service == nil {
		return punch.State{}, false
	}
	return service.State(), true
}

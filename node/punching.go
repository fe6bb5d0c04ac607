package node

// HolePunching says how the node gets past NATs at which nobody maps a port, and helps others
// past theirs; docs/hole-punching.md is the protocol. The zero value: it does, where discovery
// v5 runs and the node listens.
type HolePunching struct {
	// Off leaves it alone. The node's record then says nothing of it.
	Off bool
	// Private lets endpoints on loopback and private networks take part, too: for networks that
	// have no others, and tests. Anywhere else, strangers could make the node send datagrams
	// to its neighbours at home.
	Private bool
}

// punches says whether the node takes part.
func (c Config) punches() bool {
	return !c.HolePunching.Off && c.Discovery != nil && c.Discovery.V5 && len(c.Listen) > 0
}

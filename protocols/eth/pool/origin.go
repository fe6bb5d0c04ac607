package pool

import (
	"encoding/binary"
	"net/netip"
)

// Network is an IP network of remotes: a /24 of IPv4 or a /48 of IPv6.
type Network uint64

// loopback is the network of this machine, and of remotes without an IP address.
const loopback Network = 3 << 56

// NetworkOf returns the network of an address. All loopback addresses are in one.
func NetworkOf(addr netip.Addr) Network {
	addr = addr.Unmap()
	switch {
	case !addr.IsValid() || addr.IsLoopback():
		return loopback
	case addr.Is4():
		b := addr.As4()
		return 1<<56 | Network(binary.BigEndian.Uint32(b[:])>>8)
	default:
		b := addr.As16()
		return 2<<56 | Network(binary.BigEndian.Uint64(b[:])>>16)
	}
}

// Origin is a peer that has announced a transaction, or sent it.
type Origin struct {
	Network Network
	// Trusted is set for static and trusted peers.
	Trusted bool
}

// Scope says how a transaction may go on to other peers.
type Scope uint8

const (
	// Hold: not at all, for now.
	Hold Scope = iota
	// Announce: by its hash alone.
	Announce
	// Push: in full as well.
	Push
)

func (s Scope) String() string { return [...]string{"hold", "announce", "push"}[s] }

// standing is what decides on the scope of a transaction.
type standing struct {
	known     bool // the sender's state is, and it pays for the transaction
	gapped    bool // transactions with lower nonces are missing; only if known
	confirmed bool // two networks or a trusted peer have announced it
}

func (s standing) scope() Scope {
	switch {
	case s.known && s.gapped:
		return Hold
	case s.known:
		return Push
	case s.confirmed:
		return Announce
	default:
		return Hold
	}
}

package node

import (
	"context"
	"fmt"
	"net/netip"
	"slices"

	"github.com/ethereum/go-ethereum/p2p/discover"
	"github.com/ethereum/go-ethereum/p2p/dnsdisc"
	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/troupe-p2p/troupe/node/discovery"
)

// Discovery is how a node finds other nodes, and is found by them. discovery.Preset has the
// values for public networks.
type Discovery struct {
	// V4 and V5 are the versions of the node discovery protocol to speak.
	V4, V5 bool
	// Port is the UDP port. Zero: the number of the TCP port, on each listening address.
	Port uint16
	// Bootnodes are the nodes that v4 asks first. BootnodesV5 are those of v5.
	Bootnodes, BootnodesV5 []*enode.Node
	// DNS are the node lists to read, as enrtree:// URLs (EIP-1459).
	DNS []string

	// ListenFunc opens a UDP socket. Nil: a real one.
	ListenFunc func(ctx context.Context, on netip.AddrPort) (discover.UDPConn, error)
	// Resolver reads the lists. Nil: the system's.
	Resolver dnsdisc.Resolver
}

func (d *Discovery) speaks() bool { return d != nil && (d.V4 || d.V5) }

// on reports whether there is a source of nodes.
func (d *Discovery) on() bool { return d.speaks() || d != nil && len(d.DNS) > 0 }

// check returns an error if a bootnode or a node list is invalid.
func (d *Discovery) check() error {
	if d == nil {
		return nil
	}
	if err := discovery.CheckBootnodes(slices.Concat(d.Bootnodes, d.BootnodesV5)...); err != nil {
		return fmt.Errorf("node config: %w", err)
	}
	for _, list := range d.DNS {
		if _, _, err := dnsdisc.ParseURL(list); err != nil {
			return fmt.Errorf("node config: node list %q: %w", list, err)
		}
	}
	return nil
}

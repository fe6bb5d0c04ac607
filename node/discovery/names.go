package discovery

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/troupe-p2p/troupe/nat/netaddr"
)

// lookupTime is the timeout of the lookup of a bootnode's name.
const lookupTime = 5 * time.Second

// checkBootnode returns an error if a node can't be a bootnode. The address of a name is checked
// when it is looked up.
func checkBootnode(n *enode.Node) error {
	switch {
	case n == nil:
		return errors.New("bootnode is nil")
	case n.Pubkey() == nil:
		return fmt.Errorf("bootnode %v: no public key", n)
	case n.Hostname() != "" && n.UDP() == 0:
		return fmt.Errorf("bootnode %v: missing UDP port", n)
	case n.Hostname() != "":
		return nil
	}
	if err := n.ValidateComplete(); err != nil {
		return fmt.Errorf("bootnode %v: %w", n, err)
	}
	return nil
}

// CheckBootnodes returns an error if one of the nodes can't be a bootnode: it is nil, or it has no
// public key, no UDP port, or neither a name nor an address of a host.
func CheckBootnodes(nodes ...*enode.Node) error {
	for _, n := range nodes {
		if err := checkBootnode(n); err != nil {
			return err
		}
	}
	return nil
}

// locate returns the usable bootnodes. A bootnode with a name gets its address; one outside of
// NetRestrict is skipped, and so is this node itself, which is often in the list of its network.
// missing contains an error for each skipped bootnode, and lookAgain is true if another attempt may
// help. Without locate, the library would refuse to start because of one name that can't be
// resolved, or that has an address of no host.
func (h *shared) locate(ctx context.Context, boot []*enode.Node) (nodes []*enode.Node, missing []error, lookAgain bool) {
	for _, n := range boot {
		if n.ID() == h.Local.ID() {
			continue
		}
		if n.Hostname() != "" && !n.IPAddr().IsValid() {
			ip, err := h.lookup(ctx, n.Hostname())
			if err != nil {
				missing, lookAgain = append(missing, fmt.Errorf("bootnode %s: %w", n.URLv4(), err)), true
				continue
			}
			n = enode.NewV4(n.Pubkey(), ip.AsSlice(), n.TCP(), n.UDP())
		}
		if !netaddr.Allowed(h.NetRestrict, n.IPAddr()) {
			missing = append(missing, fmt.Errorf("bootnode %s is outside of the allowed networks", n.URLv4()))
			continue
		}
		nodes = append(nodes, n)
	}
	return nodes, missing, lookAgain
}

// lookup returns the first address of a host, IPv4 before IPv6.
func (h *shared) lookup(ctx context.Context, host string) (ip netip.Addr, err error) {
	ctx, cancel := context.WithTimeout(ctx, lookupTime)
	defer cancel()
	all, err := h.LookupHost(ctx, host)
	if err != nil {
		return ip, err
	}
	for _, a := range all {
		if a = a.Unmap(); a.IsUnspecified() || a.IsMulticast() {
			continue // a filter of names answers 0.0.0.0
		}
		if !ip.IsValid() || a.Is4() && !ip.Is4() {
			ip = a
		}
	}
	if !ip.IsValid() {
		return ip, errNoAddress
	}
	return ip, nil
}

package discovery

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/troupe-p2p/troupe/nat/netaddr"
)

// lookupTime is the timeout of the lookup of a bootnode's name.
const lookupTime = 5 * time.Second

// locate returns the usable bootnodes. A bootnode with a name gets its address; one outside of
// NetRestrict is skipped. missing contains an error for each skipped bootnode, and lookAgain is
// true if another attempt may help. Without locate, the library would refuse to start because of
// one name that can't be resolved.
func (h *shared) locate(ctx context.Context, boot []*enode.Node) (nodes []*enode.Node, missing []error, lookAgain bool) {
	for _, n := range boot {
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
		if a = a.Unmap(); !ip.IsValid() || a.Is4() && !ip.Is4() {
			ip = a
		}
	}
	if !ip.IsValid() {
		return ip, errNoAddress
	}
	return ip, nil
}

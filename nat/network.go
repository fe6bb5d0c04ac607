package nat

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
)

// network is one interface of this host with its IPv4 address.
type network struct {
	name    string
	local   netip.Prefix // the local address and its prefix length
	gateway netip.Addr   // default gateway; invalid if there is none or it is unknown
	index   int          // of the interface
}

// route is a default route of the operating system.
type route struct {
	device  string
	gateway netip.Addr
	metric  int
}

// networks returns the interfaces that are up and have an IPv4 address, those with a default
// gateway first, without loopback. It skips an interface that can't be read. The error is that of
// the routing table: UPnP works without the table.
func networks() ([]network, error) {
	devices, err := net.Interfaces()
	if err != nil {
		return nil, fmt.Errorf("can't list the network interfaces: %w", err)
	}
	routes, err := defaultRoutes()
	var all []network
	for _, d := range devices {
		if d.Flags&net.FlagUp == 0 || d.Flags&net.FlagLoopback != 0 {
			continue
		}
		addrs, aerr := d.Addrs()
		if aerr != nil {
			continue
		}
		all = append(all, networksOf(d, addrs, routes)...)
	}
	slices.SortStableFunc(all, func(a, b network) int {
		switch {
		case a.gateway.IsValid() == b.gateway.IsValid():
			return 0
		case a.gateway.IsValid():
			return -1
		}
		return 1
	})
	return all, err
}

// networksOf returns the networks of one interface. A gateway is assigned to the address whose
// network contains it, else to the first address.
func networksOf(d net.Interface, addrs []net.Addr, routes []route) (all []network) {
	for _, a := range addrs {
		p, err := netip.ParsePrefix(a.String())
		if err != nil || !p.Addr().Unmap().Is4() {
			continue
		}
		all = append(all, network{name: d.Name, index: d.Index, local: p})
	}
	for _, r := range routes {
		if r.device != d.Name || len(all) == 0 {
			continue
		}
		i := max(0, slices.IndexFunc(all, func(n network) bool { return n.local.Contains(r.gateway) }))
		if !all[i].gateway.IsValid() {
			all[i].gateway = r.gateway
		}
	}
	return all
}

// surroundingsOf returns a text that changes when a network with a gateway changes. Networks
// without a gateway (containers come and go) are left out.
func surroundingsOf(all []network) string {
	var b strings.Builder
	for _, n := range all {
		if n.gateway.IsValid() {
			fmt.Fprintf(&b, "%s %v via %v; ", n.name, n.local, n.gateway)
		}
	}
	return b.String()
}

package node

import (
	"fmt"
	"net/netip"
	"os"
	"os/user"
	"path/filepath"
	"strings"

	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/troupe-p2p/troupe/nat/netaddr"
)

// This file parses command line flags into fields of a Config.

// DefaultDataDir is a node's default data directory: .troupe in the user's home directory,
// or in the working directory if there is no home directory.
func DefaultDataDir() string { return filepath.Join(homeDir(), ".troupe") }

// homeDir returns the user's home directory: that of HOME, or else of the system's list of users.
// It is empty if there is none.
func homeDir() string {
	if home, err := os.UserHomeDir(); err == nil {
		return home
	}
	if u, err := user.Current(); err == nil {
		return u.HomeDir
	}
	return ""
}

// ExpandPath expands the path of a file or directory as go-ethereum does: it replaces a leading ~/
// by the user's home directory, and $NAME or ${NAME} by an environment variable, and cleans the
// path. It does not know ~user. An empty path stays empty.
func ExpandPath(path string) string {
	if path == "" {
		return ""
	}
	if home := homeDir(); home != "" && (strings.HasPrefix(path, "~/") || strings.HasPrefix(path, `~\`)) {
		path = home + path[1:]
	}
	return filepath.Clean(os.ExpandEnv(path))
}

// ParseNodes parses enode URLs and records (enr:…), separated by commas.
func ParseNodes(list string) ([]*enode.Node, error) {
	var nodes []*enode.Node
	for _, s := range fields(list) {
		n, err := enode.Parse(enode.ValidSchemes, s)
		if err != nil {
			return nil, fmt.Errorf("node %q: %w", s, err)
		}
		nodes = append(nodes, n)
	}
	return nodes, nil
}

// ParseStaticNodes is ParseNodes for nodes to dial without discovery: one without an address is an
// error.
func ParseStaticNodes(list string) ([]*enode.Node, error) {
	nodes, err := ParseNodes(list)
	for _, n := range nodes {
		if err := checkAddress(n, false); err != nil {
			return nil, fmt.Errorf("node %v: %w", n, err)
		}
	}
	return nodes, err
}

// checkAddress returns ErrNoAddress if a node can't be dialed: it has no TCP port, or neither a
// DNS name nor the address of a host. Where discovery can find the node, it may have neither name
// nor port.
func checkAddress(n *enode.Node, found bool) error {
	named := n.Hostname() != ""
	if named && n.TCP() != 0 || !named && (found || len(netaddr.Endpoints(n)) > 0) {
		return nil
	}
	return ErrNoAddress
}

// ParseNetworks parses networks in CIDR notation, separated by commas. A network of IPv4-mapped IPv6
// addresses (::ffff:10.0.0.0/104) is the IPv4 network (10.0.0.0/8).
func ParseNetworks(list string) ([]netip.Prefix, error) {
	var networks []netip.Prefix
	for _, s := range fields(list) {
		p, err := netaddr.ParseNetwork(s)
		if err != nil {
			return nil, fmt.Errorf("network %q: %w", s, err)
		}
		networks = append(networks, p)
	}
	return networks, nil
}

// ParseListen combines IP addresses, separated by commas, with a port. An empty list
// stands for all addresses.
func ParseListen(list string, port int) ([]netip.AddrPort, error) {
	if port < 0 || port > 1<<16-1 {
		return nil, fmt.Errorf("port %d: want 0 to 65535", port)
	}
	var addrs []netip.AddrPort
	for _, s := range fields(list) {
		ip, err := netaddr.ParseAddr(s)
		if err != nil {
			return nil, fmt.Errorf("listening address %q: %w", s, err)
		}
		addrs = append(addrs, netip.AddrPortFrom(ip, uint16(port)))
	}
	if err := disjoint(addrs); err != nil {
		return nil, err
	}
	if len(addrs) == 0 {
		addrs = append(addrs, netip.AddrPortFrom(netip.Addr{}, uint16(port)))
	}
	return addrs, nil
}

// disjoint returns an error if two addresses could not be listened on at the same port. 0.0.0.0 is
// all addresses of IPv4, and :: all of IPv6.
func disjoint(addrs []netip.AddrPort) error {
	for i, a := range addrs {
		for _, b := range addrs[:i] {
			a, b := a.Addr().Unmap(), b.Addr().Unmap()
			switch {
			case a == b:
				return fmt.Errorf("listening address %v is listed twice", a)
			case a.Is4() != b.Is4():
			case a.IsUnspecified():
				return fmt.Errorf("listening address %v includes %v", a, b)
			case b.IsUnspecified():
				return fmt.Errorf("listening address %v includes %v", b, a)
			}
		}
	}
	return nil
}

// fields splits a list at commas. It trims blanks and drops empty parts.
func fields(list string) []string {
	var parts []string
	for s := range strings.SplitSeq(list, ",") {
		if s = strings.TrimSpace(s); s != "" {
			parts = append(parts, s)
		}
	}
	return parts
}

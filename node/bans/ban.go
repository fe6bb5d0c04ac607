package bans

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/troupe-p2p/troupe/nat/netaddr"
)

// Target is the node or the network that a [Ban] keeps out. One of the two fields is set. See
// [ParseTarget].
type Target struct {
	ID  enode.ID
	Net netip.Prefix // a single address is a network of one
}

// ByID is the target of a ban on one node.
func ByID(id enode.ID) Target { return Target{ID: id} }

// ByIP is the target of a ban on one address.
func ByIP(addr netip.Addr) Target {
	addr = addr.Unmap().WithZone("")
	return Target{Net: netip.PrefixFrom(addr, addr.BitLen())}
}

// ParseTarget parses a node (its URL, its record or its ID in hex), an IP address, or a
// network in CIDR notation.
func ParseTarget(s string) (Target, error) {
	s = strings.TrimSpace(s)
	if addr, err := netaddr.ParseAddr(s); err == nil {
		return ByIP(addr), nil
	}
	if _, err := netip.ParsePrefix(s); err == nil {
		p, err := netaddr.ParseNetwork(s)
		return Target{Net: p}, err
	}
	if id, err := enode.ParseID(s); err == nil {
		return ByID(id), nil
	}
	n, err := enode.Parse(enode.ValidSchemes, s)
	if err != nil {
		return Target{}, fmt.Errorf("%q: want a node, its ID, an IP address or a network", s)
	}
	return ByID(n.ID()), nil
}

// String returns the ID in hex, the address, or the network.
func (t Target) String() string {
	switch {
	case !t.Net.IsValid():
		return t.ID.String()
	case t.Net.IsSingleIP():
		return t.Net.Addr().String()
	}
	return t.Net.String()
}

// MarshalText implements encoding.TextMarshaler with String.
func (t Target) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler with [ParseTarget].
func (t *Target) UnmarshalText(text []byte) (err error) {
	*t, err = ParseTarget(string(text))
	return err
}

// Check returns an error for a target that is neither a node nor a network, or both.
func (t Target) Check() error {
	if t.Net.IsValid() == (t.ID != enode.ID{}) {
		return errors.New("ban: want a node or a network")
	}
	if !t.Net.IsValid() {
		return nil
	}
	if t.Net != t.Net.Masked() {
		return fmt.Errorf("ban: %v is not a network address", t.Net)
	}
	if _, err := netaddr.Canonical(t.Net); err != nil {
		return fmt.Errorf("ban: %w", err)
	}
	return nil
}

// Canonical returns the one form of a target that passes Check. It is the key of the ban: a network
// of IPv4-mapped IPv6 addresses is the IPv4 network.
func (t Target) Canonical() Target {
	if p, err := netaddr.Canonical(t.Net); err == nil {
		t.Net = p
	}
	return t
}

// Ban keeps a node or a network out for a time. Its JSON is that of bans.json and the admin API.
type Ban struct {
	Target Target    `json:"target"`
	Since  time.Time `json:"since"`
	Until  time.Time `json:"until,omitzero"` // zero: until the operator lifts the ban
	Reason string    `json:"reason"`
	// Automatic says that the node made the ban, not the operator.
	Automatic bool `json:"automatic,omitempty"`
}

// inForce reports whether the ban has not ended.
func (b *Ban) inForce(now time.Time) bool { return b.Until.IsZero() || now.Before(b.Until) }

// compareEnds returns -1 if a ends before b, 1 if b does, and 0 if they end together.
func compareEnds(a, b *Ban) int {
	switch endless := a.Until.IsZero(); {
	case endless && b.Until.IsZero():
		return 0
	case endless:
		return 1
	case b.Until.IsZero():
		return -1
	}
	return a.Until.Compare(b.Until)
}

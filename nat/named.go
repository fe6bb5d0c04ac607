package nat

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/troupe-p2p/troupe/nat/netaddr"
)

// resolveEvery is the interval at which the name of extip:HOST is looked up.
const resolveEvery = 5 * time.Minute

// resolveRetry is the wait before a failed lookup is repeated. Until it succeeds, the last addresses
// stay.
var resolveRetry = backoff{first: 5 * time.Second, cap: resolveEvery}

// lookupFunc returns the addresses of a DNS name. It returns when ctx ends.
type lookupFunc = func(ctx context.Context, host string) ([]netip.Addr, error)

// lookupSystem is the system's resolver.
func lookupSystem(ctx context.Context, host string) ([]netip.Addr, error) {
	return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
}

// namedMapper is a DNS name that the operator set. Its addresses may change.
type namedMapper struct {
	addressOnly
	host   string
	lookup lookupFunc

	mu  sync.Mutex
	now Reading // the last result
}

func newNamed(host string, lookup lookupFunc) *namedMapper {
	return &namedMapper{addressOnly: addressOnly{MethodFixed}, host: host, lookup: lookup}
}

// Caps implements Mapper.
func (n *namedMapper) Caps() Caps { return Caps{Tells: true, Named: true} }

// External looks the name up.
func (n *namedMapper) External(ctx context.Context) (Reading, error) {
	all, err := n.lookup(ctx, n.host)
	if err != nil {
		cause, words := ioError(err)
		if e, ok := errors.AsType[*net.DNSError](err); ok && e.IsNotFound {
			words = "no such host"
		}
		return Reading{}, &Error{Method: MethodFixed, Router: n.host, Op: "look up the name", Cause: cause, Words: words, Err: err}
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	r := chooseAddrs(all, n.now)
	if !r.IP.IsValid() {
		return Reading{}, &Error{Method: MethodFixed, Router: n.host, Op: "look up the name", Cause: Other, Words: "the name has no address of a host"}
	}
	n.now = r
	return r, nil
}

// chooseAddrs returns the addresses that a node announces of those that its name has: at most one of
// each family, IPv4 first. An address that is announced already is kept while the name has it, because
// DNS servers change the order of addresses at will. A loopback address, which a host's own table
// of names often has, is used only if there is no other.
func chooseAddrs(all []netip.Addr, now Reading) Reading {
	var chosen [2]netip.Addr
	for _, ip := range all {
		ip = ip.Unmap()
		if !isHost(ip) {
			continue
		}
		family := 0
		if ip.Is6() {
			family = 1
		}
		c := &chosen[family]
		current := ip == now.IP || ip == now.Other
		if !c.IsValid() || netaddr.Local(*c) && !netaddr.Local(ip) || current && netaddr.Local(ip) == netaddr.Local(*c) {
			*c = ip
		}
	}
	if i := slices.IndexFunc(chosen[:], func(ip netip.Addr) bool { return ip.IsValid() && !netaddr.Local(ip) }); i >= 0 && netaddr.Local(chosen[1-i]) {
		return Reading{IP: chosen[i]} // a loopback address of the other family is none to others
	}
	if !chosen[0].IsValid() {
		chosen[0], chosen[1] = chosen[1], chosen[0]
	}
	return Reading{IP: chosen[0], Other: chosen[1]}
}

// isHost reports whether ip can be the address of a host.
func isHost(ip netip.Addr) bool {
	return ip.IsValid() && !ip.IsUnspecified() && !ip.IsMulticast() && ip.Zone() == ""
}

// readName handles the result of a lookup of the name that serves us. A lookup that fails says nothing
// about the addresses.
func (m *machine) readName(r Reading, err error) {
	if err != nil {
		if m.readFailures++; m.readFailures == 1 {
			m.log(eventLost, m.router, "looking up the name of this node failed; its last address stays", err)
		}
		m.readAt = m.now.Add(resolveRetry.after(m.readFailures, m.random()))
		return
	}
	m.readFailures = 0
	if r.IP == m.external && r.Other == m.other {
		return
	}
	m.moved(m.router, r.IP)
	m.external, m.other = r.IP, r.Other
}

package punch

import (
	"net/netip"
	"time"
)

type belief struct {
	open bool
	own  bool
	seen map[netip.AddrPort]netip.AddrPort
	at   netip.AddrPort
}

func (b *belief) observe(by, seen netip.AddrPort, own bool, now time.Time) bool {
	if b.seen == nil {
		b.seen = map[netip.AddrPort]netip.AddrPort{}
	}
	b.seen[by] = seen
	if !b.at.IsValid() {
		b.at = seen
	}
	b.own = own
	return true
}
func (b *belief) mapped(open bool) bool { b.open = open; return true }
func (b *belief) nat(now time.Time) NAT {
	if b.open || b.own {
		return Open
	}
	if len(b.seen) < 2 {
		return Unknown
	}
	for _, s := range b.seen {
		if s != b.at {
			return AddressDependent
		}
	}
	return EndpointIndependent
}
func (b *belief) endpoint(now time.Time) netip.AddrPort { return b.at }

package discovery

import (
	"net/netip"
	"time"

	"github.com/troupe-p2p/troupe/nat/netaddr"
)

// hostRates limits the packets of each host, in bounded memory: two generations of up to rateLimit
// hosts. A host that sends is forgotten, and gets a new burst, only after that many other hosts have
// sent. The zero value is ready for use.
type hostRates struct {
	young, old map[netip.Prefix]*allowance
}

// take takes one packet of a host's allowance. It returns false if there is none left.
func (r *hostRates) take(from netip.Addr, now time.Time) bool {
	host := netaddr.Host(from)
	a := r.young[host]
	if a == nil {
		if a = r.old[host]; a == nil {
			a = newAllowance(contactRate, contactBurst)
		}
		if len(r.young) >= rateLimit {
			r.old, r.young = r.young, nil
		}
		if r.young == nil {
			r.young = map[netip.Prefix]*allowance{}
		}
		r.young[host] = a
	}
	return a.take(now)
}

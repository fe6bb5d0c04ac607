package discovery

import "sync/atomic"

// traffic counts packets.
type traffic struct {
	received, failed                           atomic.Uint64
	size, restricted, foreign, strangers, full atomic.Uint64
	sniffed                                    atomic.Uint64 // taken by Config.Sniff
	talks                                      atomic.Uint64 // TALKREQs beyond maxTalking
}

// Why a UDP packet was dropped.
const (
	DroppedSize       = "size"        // shorter or longer than any packet of discovery
	DroppedRestricted = "netrestrict" // from an address that we don't talk to
	DroppedForeign    = "foreign"     // of a version of discovery that is off
	DroppedStrangers  = "strangers"   // too many packets from endpoints that we had sent nothing to
	DroppedFull       = "full"        // faster than we can handle them, in all or from one endpoint
)

// packets gives the count of those received, and of those dropped by cause.
func (t *traffic) packets() (received uint64, dropped map[string]uint64) {
	dropped = map[string]uint64{}
	for cause, n := range map[string]*atomic.Uint64{
		DroppedSize: &t.size, DroppedRestricted: &t.restricted, DroppedForeign: &t.foreign,
		DroppedStrangers: &t.strangers, DroppedFull: &t.full,
	} {
		if n := n.Load(); n > 0 {
			dropped[cause] = n
		}
	}
	return t.received.Load(), dropped
}

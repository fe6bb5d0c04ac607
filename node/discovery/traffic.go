package discovery

import "sync/atomic"

// traffic counts packets.
type traffic struct {
	received, failed                                     atomic.Uint64
	size, restricted, foreign, strangers, contacts, full atomic.Uint64
	sniffed                                              atomic.Uint64 // consumed by Config.Sniff
	talks                                                atomic.Uint64 // TALKREQs beyond maxTalking
}

// The reasons for dropping a UDP packet.
const (
	DroppedSize       = "size"        // shorter or longer than any packet of discovery
	DroppedRestricted = "netrestrict" // from an address outside of the allowed networks
	DroppedForeign    = "foreign"     // for a version of discovery that is off
	DroppedStrangers  = "strangers"   // over the rate limit of endpoints to which this node had sent nothing
	DroppedContacts   = "contacts"    // over the rate limit of the known endpoints of one host
	DroppedFull       = "full"        // the queue, or the share of the endpoint, is full
)

// packets returns the number of received packets and the numbers of dropped packets by cause.
func (t *traffic) packets() (received uint64, dropped map[string]uint64) {
	dropped = map[string]uint64{}
	for cause, n := range map[string]*atomic.Uint64{
		DroppedSize: &t.size, DroppedRestricted: &t.restricted, DroppedForeign: &t.foreign,
		DroppedStrangers: &t.strangers, DroppedContacts: &t.contacts, DroppedFull: &t.full,
	} {
		if n := n.Load(); n > 0 {
			dropped[cause] = n
		}
	}
	return t.received.Load(), dropped
}

package shh

import (
	"cmp"
	"time"
)

// Rate limits what one peer may send: an average rate and a burst.
type Rate struct {
	Envelopes, Bytes           float64 // per second
	EnvelopesBurst, BytesBurst float64 // at once
}

// DefaultRate lets a peer send its whole pool when the link comes up, and afterwards a few
// thousand times as much as the network ever carried.
var DefaultRate = Rate{
	Envelopes: 500, EnvelopesBurst: 2 * DefaultPoolEnvelopes,
	Bytes: 2 << 20, BytesBurst: 2 * DefaultPoolBytes,
}

func (r Rate) withDefaults() Rate {
	r.Envelopes = cmp.Or(r.Envelopes, DefaultRate.Envelopes)
	r.Bytes = cmp.Or(r.Bytes, DefaultRate.Bytes)
	r.EnvelopesBurst = cmp.Or(r.EnvelopesBurst, DefaultRate.EnvelopesBurst)
	r.BytesBurst = cmp.Or(r.BytesBurst, DefaultRate.BytesBurst)
	// The burst must be at least as large as the most expensive message, or it could never pass.
	r.BytesBurst = max(r.BytesBurst, MaxMessageSize)
	r.EnvelopesBurst = max(r.EnvelopesBurst, controlCost)
	return r
}

// controlCost is the cost, in envelopes, of a message that makes this node search its
// whole pool.
const controlCost = 50

// allowance is the amount that a peer may still send. It has no lock; its owner guards it.
type allowance struct {
	rate             Rate
	envelopes, bytes float64
	filled           time.Time
	dropped          float64 // envelopes dropped since the allowance was last half full
}

func newAllowance(rate Rate, now time.Time) *allowance {
	return &allowance{rate: rate, envelopes: rate.EnvelopesBurst, bytes: rate.BytesBurst, filled: now}
}

// take reports whether the amount is allowed, and if so subtracts it. The caller drops
// what is not allowed. flooder is true when the dropped envelopes exceed a whole burst.
func (a *allowance) take(envelopes, bytes float64, now time.Time) (ok, flooder bool) {
	if passed := now.Sub(a.filled).Seconds(); passed > 0 {
		a.envelopes = min(a.rate.EnvelopesBurst, a.envelopes+passed*a.rate.Envelopes)
		a.bytes = min(a.rate.BytesBurst, a.bytes+passed*a.rate.Bytes)
		a.filled = now
	}
	if a.envelopes < envelopes || a.bytes < bytes {
		a.dropped += envelopes
		return false, a.dropped > a.rate.EnvelopesBurst
	}
	a.envelopes -= envelopes
	a.bytes -= bytes
	if a.envelopes > a.rate.EnvelopesBurst/2 && a.bytes > a.rate.BytesBurst/2 {
		a.dropped = 0
	}
	return true, false
}

// slotSet is a set of the pool's slots.
type slotSet []uint64

func (s *slotSet) set(slot int) {
	for slot/64 >= len(*s) {
		*s = append(*s, 0)
	}
	(*s)[slot/64] |= 1 << (slot % 64)
}

func (s slotSet) has(slot int) bool { return slot/64 < len(s) && s[slot/64]&(1<<(slot%64)) != 0 }

func (s slotSet) clear(slot int) {
	if slot/64 < len(s) {
		s[slot/64] &^= 1 << (slot % 64)
	}
}

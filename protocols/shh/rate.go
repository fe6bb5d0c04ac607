package shh

import (
	"cmp"
	"time"
)

// Rate is how much one peer may send: so much within a second, and so much at once.
type Rate struct {
	Envelopes, Bytes           float64 // a second
	EnvelopesBurst, BytesBurst float64
}

// DefaultRate lets a peer send its whole pool when the link comes up, and after that a
// few thousand times what the network ever carried.
var DefaultRate = Rate{
	Envelopes: 500, EnvelopesBurst: 2 * DefaultPoolEnvelopes,
	Bytes: 2 << 20, BytesBurst: 2 * DefaultPoolBytes,
}

func (r Rate) withDefaults() Rate {
	r.Envelopes = cmp.Or(r.Envelopes, DefaultRate.Envelopes)
	r.Bytes = cmp.Or(r.Bytes, DefaultRate.Bytes)
	r.EnvelopesBurst = cmp.Or(r.EnvelopesBurst, DefaultRate.EnvelopesBurst)
	r.BytesBurst = cmp.Or(r.BytesBurst, DefaultRate.BytesBurst)
	// What costs the most must come through some time.
	r.BytesBurst = max(r.BytesBurst, MaxMessageSize)
	r.EnvelopesBurst = max(r.EnvelopesBurst, controlCost)
	return r
}

// controlCost is how many envelopes a message counts for that makes this node look
// through its whole pool.
const controlCost = 50

// allowance is what a peer may still send. A plain rule: its owner guards it.
type allowance struct {
	rate             Rate
	envelopes, bytes float64
	filled           time.Time
	dropped          float64 // envelopes beyond it, in a row
}

func newAllowance(rate Rate, now time.Time) *allowance {
	return &allowance{rate: rate, envelopes: rate.EnvelopesBurst, bytes: rate.BytesBurst, filled: now}
}

// take says whether so much may come. What may not is dropped; a peer that goes on and on
// is a flooder, when it has sent a burst more than it may.
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

func (m *slotSet) set(slot int) {
	for slot/64 >= len(*m) {
		*m = append(*m, 0)
	}
	(*m)[slot/64] |= 1 << (slot % 64)
}

func (m slotSet) has(slot int) bool { return slot/64 < len(m) && m[slot/64]&(1<<(slot%64)) != 0 }

func (m slotSet) clear(slot int) {
	if slot/64 < len(m) {
		m[slot/64] &^= 1 << (slot % 64)
	}
}

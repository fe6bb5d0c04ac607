package actors

import "time"

// A decompression bomb is a message that costs its remote one byte of traffic for each 21 bytes
// that this node decompresses and handles. Honest messages expand three to four times. What a
// message expands beyond eight times its size on the wire, or sixteen times if it is small, is its
// excess. A link has an allowance
// for excess, and its reader waits when that is used up.
const (
	// expansionFactor is how many bytes one byte on the wire may become without excess.
	expansionFactor = 8
	// smallFactor is the same for messages of up to smallMessage bytes, of which a remote cannot
	// make the node handle many more than honest ones do.
	smallFactor  = 16
	smallMessage = 64 << 10
	// expansionFree is the size in bytes up to which a message has no excess, whatever it
	// compresses to.
	expansionFree = 4 << 10

	// expansionRate is how much excess a link may have, in bytes a second.
	expansionRate = 2 << 20
	// expansionBurst is how much allowance a link can save, in bytes, and how much it begins with.
	// No message has more excess.
	expansionBurst = 16 << 20

	// expansionPace is how much excess all links of a node may have together, in bytes a second. It
	// bounds what many remotes cost together, and what a remote gains that connects again to begin
	// with a new allowance.
	expansionPace = 64 << 20

	// expansionStep is how many bytes of a message with excess are decompressed at a time: about a
	// tenth of a millisecond of work.
	expansionStep = 256 << 10
)

// excessOf returns the excess of a message with these sizes in bytes: that on the wire, and the
// decompressed one that it claims.
func excessOf(wire, claim int) int64 {
	free := max(expansionFree, expansionFactor*wire, min(smallMessage, smallFactor*wire))
	return int64(max(0, claim-free))
}

// baseExcessOf returns the excess of a message of the base protocol with that size in bytes on
// the wire. Its payload is never decompressed, but no honest one is large.
func baseExcessOf(wire int) int64 { return max(0, int64(wire)-expansionFree) }

// bucket is a token bucket.
type bucket struct {
	rate, burst int64     // bytes a second, bytes
	used        int64     // bytes taken and not refilled, at the time at
	at          time.Time // of the last call; zero: the bucket is full
}

// take takes n bytes at the given time, or returns how long to wait before the next try. n is at
// most the burst.
func (b *bucket) take(n int64, now time.Time) (wait time.Duration) {
	full := time.Duration(b.burst) * time.Second / time.Duration(b.rate) // how long an empty one refills
	if passed := min(now.Sub(b.at), full); passed > 0 {
		b.used = max(0, b.used-int64(passed)*b.rate/int64(time.Second))
		b.at = now
	}
	if missing := b.used + n - b.burst; missing > 0 {
		return time.Duration(missing)*time.Second/time.Duration(b.rate) + 1
	}
	b.used += n
	return 0
}

// expansion is what the links of a node share: which of them decompresses in steps, and how fast.
type expansion struct {
	turn chan struct{} // full while a link has its turn
	pace bucket        // only the link whose turn it is uses it
}

func newExpansion() expansion {
	return expansion{turn: make(chan struct{}, 1), pace: bucket{rate: expansionPace, burst: expansionBurst}}
}

func (e *expansion) tryTurn() bool {
	select {
	case e.turn <- struct{}{}:
		return true
	default:
		return false
	}
}

func (e *expansion) endTurn() { <-e.turn }

package actors

import "time"

// coldAfter is the silence after which a direction of the link counts as quiet. It is less than
// the interval of pings, so that pings do not keep a link warm.
const coldAfter = 5 * time.Second

// cooling is the pinger's input for what a quiet link must free. A direction is warm while it
// holds what the next frame can make again: cipher state, and for the reader a goroutine. Times
// are nanoseconds of the link's time.
type cooling struct {
	now                    int64
	lastReceived, lastSent int64
	lastTry                int64 // when cooling was last requested; 0: never
	readerWarm, writerWarm bool
	held                   bool // our own reader is paused: it is not quiet
}

// next returns which directions to cool and when to check again; again is 0 if both are cold. A
// request may come to nothing, because traffic has begun meanwhile, so it is repeated.
func (c cooling) next() (reader, writer bool, again time.Duration) {
	due := func(warm bool, last int64) bool {
		if !warm {
			return false
		}
		wait := max(coldAfter-time.Duration(c.now-last), 0)
		if c.lastTry != 0 {
			wait = max(wait, coldAfter-time.Duration(c.now-c.lastTry))
		}
		now := wait <= 0
		if now {
			wait = coldAfter
		}
		if again == 0 || wait < again {
			again = wait
		}
		return now
	}
	reader = due(c.readerWarm && !c.held, c.lastReceived)
	writer = due(c.writerWarm, c.lastSent)
	if again == 0 && c.readerWarm {
		again = coldAfter // held
	}
	return reader, writer, again
}

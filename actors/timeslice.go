package actors

import (
	"time"

	"github.com/troupe-p2p/troupe/actors/supervise"
)

const (
	// sliceTime is how long a host handles messages before it lets others run.
	sliceTime = time.Millisecond
	// sliceMessages and sliceBytes are how many messages, or bytes of messages, a host handles at
	// most between two looks at the clock. A look at every message would cost a small message 4 %.
	sliceMessages = 16
	sliceBytes    = 16 << 10
)

// timeSlice bounds the time for which a host handles messages without a pause. The zero value is
// the beginning of a turn.
type timeSlice struct {
	began, looked   time.Time // of this slice, and the last look; zero before the first look
	every           int       // how many messages to handle between two looks, less one
	messages, bytes int       // handled since the last look
}

// over notes that a message of that size in bytes was handled. It returns true when the time is
// over; the next slice begins with the next message.
func (s *timeSlice) over(size int, clock supervise.Clock) bool {
	s.messages++
	s.bytes += size
	if s.messages <= s.every && s.bytes < sliceBytes {
		return false
	}
	s.messages, s.bytes = 0, 0
	now := clock.Now()
	switch {
	case s.began.IsZero():
		s.began = now
	case now.Sub(s.began) >= sliceTime:
		*s = timeSlice{}
		return true
	case now.Sub(s.looked) >= sliceTime/sliceMessages:
		s.every = 0
	default:
		s.every = min(2*s.every+1, sliceMessages-1)
	}
	s.looked = now
	return false
}

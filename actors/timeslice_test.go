package actors

import (
	"testing"
	"time"

	"github.com/troupe-p2p/troupe/actors/supervise"
)

// TestTimeSlice: a host lets others run about every millisecond, and seldom looks at the clock
// while its messages are quick.
func TestTimeSlice(t *testing.T) {
	for _, tt := range []struct {
		name      string
		each      time.Duration // time of one message
		size      int
		most      time.Duration // of a slice
		mostLooks float64       // for each message
	}{
		{"quick messages", time.Microsecond, 32, sliceTime + 20*time.Microsecond, 0.08},
		{"a tenth of a millisecond each", 100 * time.Microsecond, 32, sliceTime + 100*time.Microsecond, 1},
		{"slow messages", 5 * time.Millisecond, 32, 10 * time.Millisecond, 1},
		{"large messages", 100 * time.Microsecond, 64 << 10, sliceTime + 100*time.Microsecond, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			clock := &handClock{now: time.Unix(1, 0)}
			var s timeSlice
			longest, since := time.Duration(0), clock.now
			const messages = 10_000
			for range messages {
				clock.now = clock.now.Add(tt.each)
				over := s.over(tt.size, clock)
				longest = max(longest, clock.now.Sub(since))
				if over {
					since = clock.now
				}
			}
			if longest > tt.most+tt.each {
				t.Errorf("a slice lasted %v", longest)
			}
			if got := float64(clock.looks) / messages; got > tt.mostLooks {
				t.Errorf("%v looks at the clock for each message", got)
			}
		})
	}
}

// handClock is set by hand, and counts the looks at it.
type handClock struct {
	supervise.Clock
	now   time.Time
	looks int
}

func (c *handClock) Now() time.Time {
	c.looks++
	return c.now
}

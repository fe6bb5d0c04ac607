package supervise

import (
	"testing"
	"time"
)

// TestNarrowest: a thread that stands still between two readings of the clocks does not make them look
// as if the machine had been suspended.
func TestNarrowest(t *testing.T) {
	const slept = time.Hour
	for name, tt := range map[string]struct {
		still [][2]time.Duration // before the reading between, and after it; the last one repeats
		reads int
		most  time.Duration // that the result is off
	}{
		"an idle machine":                 {[][2]time.Duration{{0, 0}}, 1, 0},
		"still before the second reading": {[][2]time.Duration{{600 * time.Millisecond, 0}, {0, 0}}, 2, 0},
		"still after it":                  {[][2]time.Duration{{0, 600 * time.Millisecond}, {0, 0}}, 2, 0},
		"a busy machine":                  {[][2]time.Duration{{600 * time.Millisecond, 0}, {20 * time.Millisecond, 0}, {90 * time.Millisecond, 0}}, maxReadings, 20 * time.Millisecond},
	} {
		now, reads := 5*time.Hour, 0
		got := narrowest(func() (before, between, after time.Duration) {
			still := tt.still[min(reads, len(tt.still)-1)]
			reads++
			before = now
			now += still[0]
			between = now + slept
			now += still[1]
			return before, between, now
		})
		if off := (got - slept).Abs(); off > tt.most || reads != tt.reads {
			t.Errorf("%s: %v after %d readings, off by %v", name, got, reads, off)
		}
	}
}

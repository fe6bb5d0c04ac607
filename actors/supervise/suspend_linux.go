package supervise

import (
	"time"

	"golang.org/x/sys/unix"
)

// suspendedTime returns for how long the machine was suspended since it booted: CLOCK_BOOTTIME
// counts that time, CLOCK_MONOTONIC does not. Without these clocks it returns 0.
func suspendedTime() time.Duration {
	var first, boot, second unix.Timespec
	return narrowest(func() (before, between, after time.Duration) {
		if unix.ClockGettime(unix.CLOCK_MONOTONIC, &first) != nil || unix.ClockGettime(unix.CLOCK_BOOTTIME, &boot) != nil ||
			unix.ClockGettime(unix.CLOCK_MONOTONIC, &second) != nil {
			return 0, 0, 0
		}
		return time.Duration(first.Nano()), time.Duration(boot.Nano()), time.Duration(second.Nano())
	})
}

const (
	// closeReadings are so close together that their distance is no suspension.
	closeReadings = minSuspension / 100
	maxReadings   = 5
)

// narrowest returns by how much the reading of one clock between two of another is ahead of these. On a
// busy machine a thread may stand still between two readings, which would look like a suspension, so
// the narrowest of several is taken.
func narrowest(read func() (before, between, after time.Duration)) (ahead time.Duration) {
	width := time.Duration(-1)
	for range maxReadings {
		before, between, after := read()
		if w := after - before; width < 0 || w < width {
			width, ahead = w, between-after
		}
		if width <= closeReadings {
			break
		}
	}
	return ahead
}

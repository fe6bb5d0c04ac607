package supervise

import (
	"time"

	"golang.org/x/sys/unix"
)

// suspendedTime returns for how long the machine was suspended since it booted: CLOCK_BOOTTIME
// counts that time, CLOCK_MONOTONIC does not. Without these clocks it returns 0.
func suspendedTime() time.Duration {
	var monotonic, boot unix.Timespec
	if unix.ClockGettime(unix.CLOCK_MONOTONIC, &monotonic) != nil || unix.ClockGettime(unix.CLOCK_BOOTTIME, &boot) != nil {
		return 0
	}
	return time.Duration(boot.Nano() - monotonic.Nano())
}

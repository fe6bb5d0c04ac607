//go:build !linux

package supervise

import "time"

// suspendedTime returns 0: how long the machine was suspended is unknown here. If Go's monotonic
// clock stands still meanwhile, a [Watch] sees the wall clock jump.
func suspendedTime() time.Duration { return 0 }

package supervise

import "runtime"

// Yield lets all goroutines run that can, before the caller goes on. It is for a goroutine that has
// much to do: until that is done, on a machine with few cores, Go's scheduler looks every 10 ms at
// most whether a socket has become readable. Yield is no wait for anything: it returns at once if
// nothing else is to be done, and after some 10 ms if the machine is busy without end.
func Yield() {
	if !yieldToSockets() {
		runtime.Gosched()
	}
}

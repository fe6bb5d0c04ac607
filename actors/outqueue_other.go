//go:build unix && !linux

package actors

// outQueue returns 0: this system does not say how much of a socket is not acknowledged.
func outQueue(int) int { return 0 }

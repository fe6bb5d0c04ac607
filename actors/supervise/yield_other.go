//go:build !linux

package supervise

func yieldToSockets() bool { return false }

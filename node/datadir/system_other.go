//go:build !unix

package datadir

const nonBlocking = 0

// syncDir does nothing: the system does not flush directories.
func syncDir(string) error { return nil }

func noLocks(error) bool { return false }
func full(error) bool    { return false }

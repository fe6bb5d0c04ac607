//go:build !unix

package datadir

// syncDir does nothing: the system does not flush directories.
func syncDir(string) error { return nil }

func noLocks(error) bool { return false }
func full(error) bool    { return false }

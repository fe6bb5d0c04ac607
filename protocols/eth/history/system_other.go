//go:build !unix

package history

// syncDir does nothing: the system does not flush directories.
func syncDir(string) error { return nil }

//go:build unix

package datadir

import (
	"errors"
	"os"
	"syscall"
)

// nonBlocking opens a named pipe without waiting for its other end.
const nonBlocking = syscall.O_NONBLOCK

// syncDir flushes the names in a directory to the disk. Some file systems can't.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	err = d.Sync()
	if errors.Is(err, syscall.EINVAL) || errors.Is(err, errors.ErrUnsupported) {
		err = nil
	}
	return errors.Join(err, d.Close())
}

// noLocks reports whether an error says that the file system has no locks, as some of a network.
func noLocks(err error) bool { return errors.Is(err, syscall.ENOLCK) }

// full reports whether an error says that the user's share of the disk is used up.
func full(err error) bool { return errors.Is(err, syscall.EDQUOT) }

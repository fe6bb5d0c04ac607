package history

import (
	"errors"
	"io/fs"
	"syscall"
	"time"
)

// deletedAfter is how long a file must be missing to count as deleted. A file that another one
// replaces, or whose file system is mounted anew, is missing for a moment.
const deletedAfter = time.Minute

// ofSystem reports whether reading failed, and nothing is known to be wrong in the file: too many
// open files, a disk or network file system that fails, a missing permission. The next try may
// succeed.
func ofSystem(err error) bool {
	var path *fs.PathError
	var number syscall.Errno
	return errors.As(err, &path) || errors.As(err, &number)
}

// deleted reports whether the file is missing since deletedAfter, by an error of reading it, or nil.
func (m *member) deleted(err error) bool {
	if !errors.Is(err, fs.ErrNotExist) {
		m.missing.Store(0)
		return false
	}
	now := time.Now().UnixNano()
	if m.missing.CompareAndSwap(0, now) {
		return false
	}
	return time.Duration(now-m.missing.Load()) >= deletedAfter
}

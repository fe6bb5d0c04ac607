//go:build unix

package history

import (
	"errors"
	"os"
	"syscall"
)

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

package datadir

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// Make makes a data directory that only its owner can enter, unless it exists. With an empty
// name it does nothing.
func Make(dir string) error {
	if dir == "" {
		return nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("data directory: %w", err)
	}
	return nil
}

// Write replaces a file as a whole: a reader never sees a part of it, and a crash never leaves
// a part of it.
func Write(file string, data []byte) error {
	f, err := os.CreateTemp(filepath.Dir(file), filepath.Base(file)+".*")
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	err = errors.Join(err, f.Chmod(0o644), f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), file)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}

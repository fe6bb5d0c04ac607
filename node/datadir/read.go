package datadir

import (
	"errors"
	"fmt"
	"io"
	"os"
)

// ErrNotRegular is the error for a path that leads to a directory, a named pipe, a device or a
// socket.
var ErrNotRegular = errors.New("not a regular file")

// Read reads the regular file at path, and follows symbolic links. Anything else is
// [ErrNotRegular]: a read of a named pipe would wait for a writer, maybe for ever, and no signal
// ends it.
func Read(path string) ([]byte, error) {
	// The opening must not block either, in case that a pipe takes the file's place after Stat. A
	// device is not even opened, because that may have effects.
	if err := regular(path, os.Stat); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path, os.O_RDONLY|nonBlocking, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if err := regular(path, func(string) (os.FileInfo, error) { return f.Stat() }); err != nil {
		return nil, err
	}
	return io.ReadAll(f)
}

func regular(path string, stat func(string) (os.FileInfo, error)) error {
	info, err := stat(path)
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s: %w: %v", path, ErrNotRegular, info.Mode())
	}
	return err
}

package chain

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// ErrNotRegular says that a path leads to a directory, a named pipe, a device or a socket.
var ErrNotRegular = errors.New("not a regular file")

// OpenRegular opens the regular file at path for reading. It follows symbolic links. Anything else
// is ErrNotRegular: a read of a named pipe would wait for a writer, maybe for ever.
func OpenRegular(path string) (*os.File, os.FileInfo, error) {
	if _, err := regular(path, os.Stat); err != nil {
		return nil, nil, err
	}
	// Without O_NONBLOCK a pipe that has taken the file's place since then would block the opening.
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, nil, err
	}
	info, err := regular(path, func(string) (os.FileInfo, error) { return f.Stat() })
	if err != nil {
		f.Close()
		return nil, nil, err
	}
	return f, info, nil
}

func regular(path string, stat func(string) (os.FileInfo, error)) (os.FileInfo, error) {
	info, err := stat(path)
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s: %w", path, ErrNotRegular)
	}
	return info, err
}

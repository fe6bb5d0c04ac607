package datadir

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
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

// Unwritable reports whether an error says that a directory can be read and not written, or that
// its file system is full.
func Unwritable(err error) bool {
	return errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS) || errors.Is(err, syscall.ENOSPC) || full(err)
}

// Write replaces a file as a whole: a reader never sees a part of it, and a crash never leaves
// a part of it. When Write has returned without an error, the new content survives a power
// failure.
func Write(file string, data []byte) error {
	if err := write(file, data); err != nil {
		return fmt.Errorf("write %s: %w", file, cause(err))
	}
	return nil
}

func write(file string, data []byte) error {
	temp, err := writeTemp(file, data, 0o644)
	if err != nil {
		return err
	}
	if err := os.Rename(temp, file); err != nil {
		return errors.Join(err, os.Remove(temp))
	}
	return syncDir(filepath.Dir(file))
}

// cause returns an error without the name of a temporary file, which would be another one each
// time. Of several errors it returns all, the first one first: the error of a removal must not
// hide why the file was removed.
func cause(err error) error {
	if all, ok := err.(interface{ Unwrap() []error }); ok {
		var causes []error
		for _, err := range all.Unwrap() {
			one := cause(err)
			if !slices.ContainsFunc(causes, func(c error) bool { return c.Error() == one.Error() }) {
				causes = append(causes, one)
			}
		}
		return errors.Join(causes...)
	}
	var (
		path *fs.PathError
		link *os.LinkError
	)
	switch {
	case errors.As(err, &path):
		return path.Err
	case errors.As(err, &link):
		return link.Err
	}
	return err
}

// The name of a temporary file is tempPrefix, the name of the file that it becomes, a dot, a
// number, and tempSuffix.
const tempPrefix, tempSuffix = ".", ".troupe-tmp"

// writeTemp writes a new file beside file, and flushes it to the disk. After an error there is
// no such file.
func writeTemp(file string, data []byte, mode fs.FileMode) (name string, err error) {
	f, err := os.CreateTemp(filepath.Dir(file), tempPrefix+filepath.Base(file)+".*"+tempSuffix)
	if err != nil {
		return "", err
	}
	_, err = f.Write(data)
	if err := errors.Join(err, f.Chmod(mode), f.Sync(), f.Close()); err != nil {
		return "", errors.Join(err, os.Remove(f.Name()))
	}
	return f.Name(), nil
}

// isTemp reports whether a file has the name of a temporary file. No user's file has.
func isTemp(name string) bool {
	name, ok := strings.CutSuffix(name, tempSuffix)
	if !ok || !strings.HasPrefix(name, tempPrefix) {
		return false
	}
	dot := strings.LastIndexByte(name, '.')
	number := name[dot+1:]
	return dot > len(tempPrefix) && number != "" && strings.Trim(number, "0123456789") == ""
}

// removeTemps removes the temporary files that a killed process has left in a directory.
func removeTemps(dir string) error {
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		if e.Type().IsRegular() && isTemp(e.Name()) {
			err = errors.Join(err, os.Remove(filepath.Join(dir, e.Name())))
		}
	}
	return err
}

// File is a file that is replaced as a whole. It logs the first of several failures, and their
// end. Its methods are for one goroutine at a time.
type File struct {
	Path    string
	Content string // for the log: "bans"
	Logger  *slog.Logger

	failing bool
}

// Write replaces the file, see [Write].
func (f *File) Write(data []byte) error {
	err := Write(f.Path, data)
	f.note(err)
	return err
}

// Try logs a failure if the file can't be written now.
func (f *File) Try() {
	temp, err := writeTemp(f.Path, []byte("test"), 0o600)
	if err == nil {
		err = os.Remove(temp)
	}
	if err != nil {
		err = fmt.Errorf("write %s: %w", f.Path, cause(err))
	}
	f.note(err)
}

func (f *File) note(err error) {
	switch {
	case err != nil && !f.failing:
		f.Logger.Warn(f.Content+" not kept: the file can't be written", "err", err)
	case err == nil && f.failing:
		f.Logger.Info(f.Content+" kept again", "file", f.Path)
	}
	f.failing = err != nil
}

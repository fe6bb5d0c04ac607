package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"sync/atomic"

	"github.com/troupe-p2p/troupe/protocols"
)

// folder is the directory that a node shares and into which it fetches a file.
type folder struct {
	root *os.Root // so that no name leads out of the directory
	want string   // the file to fetch; empty: none
	done chan error

	by   atomic.Pointer[protocols.Link] // the link that fetches the file
	over atomic.Bool                    // the transfer has ended
}

func openFolder(dir, want string) (*folder, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	return &folder{root: root, want: want, done: make(chan error, 1)}, nil
}

// claim reports whether l is the link that fetches the file, and makes it that link if there is
// none. Two links would write to the same part file.
func (f *folder) claim(l *protocols.Link) bool {
	return f.want != "" && !f.over.Load() && (f.by.CompareAndSwap(nil, l) || f.by.Load() == l)
}

func (f *folder) release(l *protocols.Link) { f.by.CompareAndSwap(l, nil) }

// finish reports how the transfer ended. Only the first call has an effect.
func (f *folder) finish(err error) {
	if f.over.CompareAndSwap(false, true) {
		f.done <- err // the channel has room for one
	}
}

// read returns a piece of a file and the size of the whole file.
func (f *folder) read(name string, offset uint64) ([]byte, uint64, error) {
	info, err := f.root.Stat(name)
	if err != nil {
		return nil, 0, err
	}
	if !info.Mode().IsRegular() { // opening a pipe would block
		return nil, 0, fmt.Errorf("%s is not a regular file", name)
	}
	total := uint64(info.Size())
	if offset > total || offset > math.MaxInt64 {
		return nil, 0, fmt.Errorf("%s ends before %d", name, offset)
	}
	file, err := f.root.Open(name)
	if err != nil {
		return nil, 0, err
	}
	defer file.Close()
	data := make([]byte, min(chunkSize, total-offset))
	if _, err := file.ReadAt(data, int64(offset)); err != nil && err != io.EOF {
		return nil, 0, err
	}
	return data, total, nil
}

func (f *folder) part() string { return f.want + ".part" }

// arrived returns the size of the part file, which is 0 if there is none.
func (f *folder) arrived() (uint64, error) {
	info, err := f.root.Stat(f.part())
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	return uint64(info.Size()), nil
}

// append appends data to the part file.
func (f *folder) append(data []byte) error {
	file, err := f.root.OpenFile(f.part(), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o666)
	if err != nil {
		return err
	}
	_, err = file.Write(data)
	return errors.Join(err, file.Close())
}

// complete renames the part file to the name of the file, and ends the transfer.
func (f *folder) complete() error {
	err := f.root.Rename(f.part(), f.want)
	if err == nil {
		f.finish(nil)
	}
	return err
}

package history

import "sync"

// maxOpen is how many files an Archive keeps open that it does not read. Each costs a descriptor
// and, for its index, up to 256 KiB.
const maxOpen = 64

// handles opens files when they are read, and keeps the ones that were read last.
type handles struct {
	mu    sync.Mutex
	open  map[string]*handle
	clock uint64
}

type handle struct {
	file  *File
	users int
	used  uint64 // the clock at the last use
}

// take returns the opened file at path. The caller gives it back.
func (h *handles) take(path string) (*handle, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	one, ok := h.open[path]
	if !ok {
		f, err := Open(path)
		if err != nil {
			return nil, err
		}
		if h.open == nil {
			h.open = map[string]*handle{}
		}
		one = &handle{file: f}
		h.open[path] = one
		h.evict()
	}
	h.clock++
	one.used = h.clock
	one.users++
	return one, nil
}

func (h *handles) give(one *handle) {
	h.mu.Lock()
	defer h.mu.Unlock()
	one.users--
}

// evict closes the file that was not read for the longest time, if there are too many.
func (h *handles) evict() {
	if len(h.open) <= maxOpen {
		return
	}
	var oldest *handle
	for _, one := range h.open {
		if one.users == 0 && (oldest == nil || one.used < oldest.used) && one.used != 0 {
			oldest = one
		}
	}
	if oldest != nil {
		delete(h.open, oldest.file.path)
		_ = oldest.file.Close() // it was only read
	}
}

// close closes all files. No other method may be called later, or at the same time.
func (h *handles) close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for path, one := range h.open {
		_ = one.file.Close() // it was only read
		delete(h.open, path)
	}
}

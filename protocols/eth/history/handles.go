package history

import "sync"

// maxOpen is how many files an Archive keeps open that it does not read. Each costs a descriptor
// and, for its index, up to 256 KiB.
const maxOpen = 64

// handles opens files when they are read, and keeps the ones that were read last. The opening of
// one file, which may take long, does not hold up those that read others.
type handles struct {
	openFile func(path string) (*File, error)

	mu    sync.Mutex
	open  map[string]*handle
	clock uint64
}

type handle struct {
	path   string
	opened chan struct{} // closed when file or err is set
	file   *File
	err    error
	users  int
	used   uint64 // the clock at the last use
	gone   bool   // not in open any more: its last user closes it
}

// take returns the opened file at path. The caller gives it back.
func (h *handles) take(path string) (*handle, error) {
	h.mu.Lock()
	one, ok := h.open[path]
	if !ok {
		if h.open == nil {
			h.open = map[string]*handle{}
		}
		one = &handle{path: path, opened: make(chan struct{})}
		h.open[path] = one
	}
	h.clock++
	one.used = h.clock
	one.users++
	idle := h.evict()
	h.mu.Unlock()
	for _, other := range idle {
		other.close()
	}
	if !ok {
		one.file, one.err = h.openFile(path)
		close(one.opened)
	}
	<-one.opened
	if one.err != nil {
		h.discard(one)
		h.give(one)
		return nil, one.err
	}
	return one, nil
}

func (h *handles) give(one *handle) {
	h.mu.Lock()
	one.users--
	last := one.gone && one.users == 0
	h.mu.Unlock()
	if last {
		one.close()
	}
}

// discard makes that the next take opens the file anew. The caller still has to give it back.
func (h *handles) discard(one *handle) {
	h.mu.Lock()
	defer h.mu.Unlock()
	one.gone = true
	if h.open[one.path] == one {
		delete(h.open, one.path)
	}
}

// forget closes the file at path, as soon as it is not read any more.
func (h *handles) forget(path string) {
	h.mu.Lock()
	one, ok := h.open[path]
	if ok {
		delete(h.open, path)
		one.gone = true
	}
	idle := ok && one.users == 0
	h.mu.Unlock()
	if idle {
		one.close()
	}
}

// evict takes out the files that were not read for the longest time, if there are too many. The
// caller closes them.
func (h *handles) evict() (idle []*handle) {
	for len(h.open) > maxOpen {
		var oldest *handle
		for _, one := range h.open {
			if one.users == 0 && (oldest == nil || one.used < oldest.used) {
				oldest = one
			}
		}
		if oldest == nil {
			break
		}
		delete(h.open, oldest.path)
		idle = append(idle, oldest)
	}
	return idle
}

func (one *handle) close() {
	if one.file != nil {
		_ = one.file.Close() // it was only read
	}
}

// close closes all files. No other method may be called later, or at the same time.
func (h *handles) close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for path, one := range h.open {
		one.close()
		delete(h.open, path)
	}
}

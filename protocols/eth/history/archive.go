package history

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"golang.org/x/time/rate"

	"github.com/troupe-p2p/troupe/protocols/eth/chain"
)

// ArchiveConfig says which files an Archive has.
type ArchiveConfig struct {
	// Paths are files, and directories of which each file with the extension of a history is one.
	// Where files differ, the one that comes first is right; a directory's come in the order of their
	// names.
	Paths []string
	// Genesis is the hash of block 0 of the chain.
	Genesis common.Hash
	// CacheDir, if set, is a directory in which the Archive keeps what it finds out about the files.
	CacheDir string
	// Changed, if set, is called after a file that was served is left out. No lock is held that a
	// method takes, except Index and Close. It must not block.
	Changed func()
	Log     *slog.Logger
}

// logInterval is the time for which an error of the system is logged once.
const logInterval = 10 * time.Second

// Archive is a set of files with blocks of one chain. It serves a file's blocks from the moment
// at which Index has checked it. All methods may be called from any goroutine.
type Archive struct {
	cfg     ArchiveConfig
	paths   []string
	handles handles
	recent  atomic.Pointer[recent]
	failed  rate.Sometimes // logs errors of the system

	indexing sync.Mutex // Index runs once at a time
	waiting  []string   // files that are not indexed, for Index

	mu      sync.RWMutex
	files   []*member // by their first block
	longest uint64    // number of blocks of the file that has most
	index   index
	state   ArchiveState
}

// member is a file that was checked.
type member struct {
	path         string
	first, count uint64
	last         chain.Block
	has          [chain.Parts]bool
	missing      atomic.Int64 // since when, in nanoseconds since 1970; 0: it is there
}

func (m *member) contains(n uint64) bool { return n >= m.first && n-m.first < m.count }

// ArchiveState is what an Archive knows of its files.
type ArchiveState struct {
	Files    int       `json:"files"`
	Indexed  int       `json:"indexed"` // of the files, with those that were left out
	Blocks   uint64    `json:"blocks"`  // with a number that is in no file before
	LeftOut  []LeftOut `json:"leftOut,omitempty"`
	Complete bool      `json:"complete"` // all files have been indexed
}

// LeftOut is a file that is not served.
type LeftOut struct {
	Path string `json:"path"`
	Why  string `json:"why"`
}

// NewArchive finds the files. It does not open them; see Index. It returns an error for a path
// that does not exist, or is neither a directory nor a regular file that is a history by its name.
func NewArchive(cfg ArchiveConfig) (*Archive, error) {
	a := &Archive{cfg: cfg, handles: handles{openFile: Open}, failed: rate.Sometimes{Interval: logInterval}}
	a.recent.Store(newRecent())
	for _, path := range cfg.Paths {
		found, err := find(path)
		if err != nil {
			return nil, err
		}
		if len(found) == 0 {
			cfg.Log.Warn("a directory has no history files", "dir", path)
		}
		for _, p := range found {
			if !slices.Contains(a.paths, p) {
				a.paths = append(a.paths, p)
			}
		}
	}
	a.state.Files = len(a.paths)
	a.waiting = a.paths
	return a, nil
}

func isHistory(path string) bool {
	return slices.Contains([]string{".ere", ".era1", ".rlp"}, filepath.Ext(path))
}

// find returns the files of a path. Of a directory it returns all but directories, with symbolic
// links: what is no regular file is named when it is opened.
func find(path string) ([]string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		switch {
		case !isHistory(path):
			return nil, fmt.Errorf("%s: %w", path, ErrUnknownFormat)
		case !info.Mode().IsRegular():
			return nil, fmt.Errorf("%s: %w", path, chain.ErrNotRegular)
		}
		return []string{path}, nil
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		return nil, err
	}
	var found []string
	for _, e := range entries {
		name := filepath.Join(path, e.Name())
		if !isHistory(name) {
			continue
		}
		if info, err := os.Stat(name); err == nil && info.IsDir() {
			continue
		}
		found = append(found, name)
	}
	return found, nil
}

// Index checks the files one after the other and serves each from then on. A file that is
// corrupt, or of another chain, is logged and left out. A file that the system does not let it read
// is tried again later, and left out only after several tries. progress is called after each file.
// Index returns early if ctx ends; called again, it goes on where it was.
func (a *Archive) Index(ctx context.Context, progress func()) error {
	a.indexing.Lock()
	defer a.indexing.Unlock()
	expected := expectedBlocks(a.waiting)
	a.mu.Lock()
	a.index.reserve(len(a.index.prefixes) + expected)
	a.mu.Unlock()
	for wait := firstWait; ; wait *= 2 {
		if err := a.indexAll(ctx, wait > lastWait, progress); err != nil {
			return err
		}
		if len(a.waiting) == 0 {
			break
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(wait):
		}
	}
	a.mu.Lock()
	a.state.Complete = true
	a.mu.Unlock()
	return nil
}

// The files that the system does not let Index read are tried again after firstWait, after twice
// that, and so on up to lastWait: half a minute in all.
const (
	firstWait = time.Second
	lastWait  = 16 * time.Second
)

// indexAll tries each waiting file once. Those that the system does not let it read wait further,
// unless this is the last try.
func (a *Archive) indexAll(ctx context.Context, last bool, progress func()) error {
	var again []string
	defer func() { a.waiting = append(again, a.waiting...) }()
	for len(a.waiting) > 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		path := a.waiting[0]
		err := a.enter(path)
		a.waiting = a.waiting[1:]
		if ofSystem(err) && !errors.Is(err, fs.ErrPermission) && !last {
			a.logFailure("A history file cannot be read yet; it is tried again", "file", path, "err", err)
			again = append(again, path)
			continue
		}
		if err != nil {
			a.leaveOut(path, err)
		}
		a.mu.Lock()
		a.state.Indexed++
		a.mu.Unlock()
		progress()
	}
	return nil
}

// logFailure logs an error of the system, unless one was logged just before: it may be the same for
// all files, and for each request.
func (a *Archive) logFailure(msg string, args ...any) {
	a.failed.Do(func() { a.cfg.Log.Warn(msg, args...) })
}

func (a *Archive) enter(path string) error {
	m, w, err := a.inspect(path)
	if err != nil {
		return err
	}
	return a.admit(m, w)
}

// inspect finds out which blocks a file has.
func (a *Archive) inspect(path string) (*member, *walked, error) {
	if err := checkName(path, a.cfg.Genesis); err != nil {
		return nil, nil, err
	}
	h, err := a.handles.take(path)
	if err != nil {
		return nil, nil, err
	}
	defer a.handles.give(h)
	w, err := a.walk(h.file)
	if err != nil {
		return nil, nil, err
	}
	m := &member{path: path, first: w.first, count: uint64(len(w.prefixes)), last: w.last}
	for p := range chain.Parts {
		m.has[p] = h.file.Has(p)
	}
	return m, w, nil
}

// admit serves a file if its blocks go with those of the others.
func (a *Archive) admit(m *member, w *walked) error {
	if err := a.checkLinks(m, w); err != nil {
		return fmt.Errorf("%s: %w", m.path, err)
	}
	a.add(m, w)
	return nil
}

// walk returns what the cache knows of a file, or reads all of its headers.
func (a *Archive) walk(f *File) (*walked, error) {
	if a.cfg.CacheDir == "" {
		return walk(f)
	}
	c := cache{dir: a.cfg.CacheDir}
	if w, err := c.load(f.path); err == nil {
		first, count := f.Span()
		if w.first == first && uint64(len(w.prefixes)) == count {
			return w, nil
		}
	}
	w, err := walk(f)
	if err != nil {
		return nil, err
	}
	if err := c.save(f.path, w); err != nil {
		a.cfg.Log.Warn("keeping what was read of a history file failed; the next start reads it again", "file", f.path, "err", err)
	}
	return w, nil
}

// add serves a file. Only numbers that no file before has get into the index.
func (a *Archive) add(m *member, w *walked) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for i := uint64(0); i < m.count; {
		n := m.first + i
		if known := a.knownFrom(n); known > 0 {
			i += known
			continue
		}
		if a.index.has(w.prefixes[i], n) { // of a file that is not served any more
			i++
			continue
		}
		fresh := a.freshFrom(n, m.count-i)
		a.index.add(n, w.prefixes[i:i+fresh])
		i += fresh
	}
	at, _ := slices.BinarySearchFunc(a.files, m, func(x, y *member) int { return cmp.Compare(x.first, y.first) })
	a.files = slices.Insert(a.files, at, m)
	a.longest = max(a.longest, m.count)
	a.state.Blocks = blocksOf(a.files)
}

// knownFrom returns how many blocks from number n on a file has. The caller holds the lock.
func (a *Archive) knownFrom(n uint64) uint64 {
	for _, f := range a.files {
		if f.contains(n) {
			return f.first + f.count - n
		}
	}
	return 0
}

// freshFrom returns how many blocks from number n on no file has, at most limit.
func (a *Archive) freshFrom(n, limit uint64) uint64 {
	for _, f := range a.files {
		if f.first > n {
			limit = min(limit, f.first-n)
		}
	}
	return limit
}

// State returns what is known of the files.
func (a *Archive) State() ArchiveState {
	a.mu.RLock()
	defer a.mu.RUnlock()
	s := a.state
	s.LeftOut = slices.Clone(s.LeftOut)
	return s
}

// Close closes the files, after Index has returned, which its context ends. Nothing may be read at
// the same time, or later.
func (a *Archive) Close() {
	a.indexing.Lock()
	defer a.indexing.Unlock()
	a.handles.close()
}

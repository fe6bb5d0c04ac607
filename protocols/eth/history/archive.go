package history

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/ethereum/go-ethereum/common"

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
	Log      *slog.Logger
}

// Archive is a set of files with blocks of one chain. It serves a file's blocks from the moment
// at which Index has checked it. All methods may be called from any goroutine.
type Archive struct {
	cfg     ArchiveConfig
	paths   []string
	handles handles
	recent  atomic.Pointer[recent]

	indexing sync.Mutex // Index runs once at a time

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
	has          [chain.Parts]bool
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
// that does not exist, or a file that is no history by its name.
func NewArchive(cfg ArchiveConfig) (*Archive, error) {
	a := &Archive{cfg: cfg}
	a.recent.Store(newRecent())
	for _, path := range cfg.Paths {
		found, err := find(path)
		if err != nil {
			return nil, err
		}
		for _, p := range found {
			if !slices.Contains(a.paths, p) {
				a.paths = append(a.paths, p)
			}
		}
	}
	a.state.Files = len(a.paths)
	return a, nil
}

func isHistory(path string) bool {
	return slices.Contains([]string{".ere", ".era1", ".rlp"}, filepath.Ext(path))
}

// find returns the files of a path.
func find(path string) ([]string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		if !isHistory(path) {
			return nil, fmt.Errorf("%s: %w", path, ErrUnknownFormat)
		}
		return []string{path}, nil
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		return nil, err
	}
	var found []string
	for _, e := range entries {
		if e.Type().IsRegular() && isHistory(e.Name()) {
			found = append(found, filepath.Join(path, e.Name()))
		}
	}
	return found, nil
}

// Index checks the files one after the other and serves each from then on. A file that is
// corrupt, or of another chain, is logged and left out. progress is called after each file. Index
// returns early if ctx ends; called again, it goes on where it was.
func (a *Archive) Index(ctx context.Context, progress func()) error {
	a.indexing.Lock()
	defer a.indexing.Unlock()
	a.mu.Lock()
	a.index.reserve(len(a.paths) * maxBlocks)
	a.mu.Unlock()
	for _, path := range a.paths[a.State().Indexed:] {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := a.enter(path); err != nil {
			a.leaveOut(path, err)
		}
		a.mu.Lock()
		a.state.Indexed++
		a.mu.Unlock()
		progress()
	}
	a.mu.Lock()
	a.state.Complete = true
	a.mu.Unlock()
	return nil
}

func (a *Archive) enter(path string) error {
	h, err := a.handles.take(path)
	if err != nil {
		return err
	}
	defer a.handles.give(h)
	w, err := a.walk(h.file)
	if err != nil {
		return err
	}
	m := &member{path: path, first: w.first, count: uint64(len(w.prefixes))}
	for p := range chain.Parts {
		m.has[p] = h.file.Has(p)
	}
	if err := a.checkLinks(m, w); err != nil {
		return fmt.Errorf("%s: %w", path, err)
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
		a.cfg.Log.Warn("Keeping what was read of a history file failed; the next start reads it again", "file", f.path, "err", err)
	}
	return w, nil
}

// checkLinks returns an error if the blocks of a file are not those of the files before it.
func (a *Archive) checkLinks(m *member, w *walked) error {
	if m.first == 0 {
		hash, err := a.hashIn(m, 0)
		if err != nil {
			return err
		}
		if hash != a.cfg.Genesis {
			return fmt.Errorf("genesis block %v, want %v", hash, a.cfg.Genesis)
		}
	}
	if m.first == 1 && w.parent != a.cfg.Genesis {
		return fmt.Errorf("genesis block %v, want %v", w.parent, a.cfg.Genesis)
	}
	if m.first > 0 {
		if hash, other, err := a.hash(m.first - 1); err == nil && hash != w.parent {
			return fmt.Errorf("block %d: its parent is %v, but %v in %s", m.first, w.parent, hash, other)
		}
	}
	if h, other, err := a.header(m.first + m.count); err == nil && h.ParentHash != w.last {
		return fmt.Errorf("block %d is %v, but %v is the parent of the next in %s", m.first+m.count-1, w.last, h.ParentHash, other)
	}
	return a.checkOverlap(m, w)
}

// checkOverlap compares the blocks that other files have, too.
func (a *Archive) checkOverlap(m *member, w *walked) error {
	a.mu.RLock()
	others := slices.Clone(a.files)
	a.mu.RUnlock()
	for _, o := range others {
		from, to := max(m.first, o.first), min(m.first+m.count, o.first+o.count)
		if from >= to {
			continue
		}
		// Blocks are linked by hashes: if the last ones are the same, all are.
		theirs, err := a.hashIn(o, to-1)
		if err != nil {
			return err
		}
		if prefixOf(theirs) == w.prefixes[to-1-m.first] {
			continue
		}
		for n := from; n < to; n++ {
			if theirs, err = a.hashIn(o, n); err != nil {
				return err
			}
			if prefixOf(theirs) != w.prefixes[n-m.first] {
				return fmt.Errorf("block %d is another than in %s, %v", n, o.path, theirs)
			}
		}
	}
	return nil
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
		fresh := a.freshFrom(n, m.count-i)
		a.index.add(n, w.prefixes[i:i+fresh])
		a.state.Blocks += fresh
		i += fresh
	}
	at, _ := slices.BinarySearchFunc(a.files, m, func(x, y *member) int { return cmp.Compare(x.first, y.first) })
	a.files = slices.Insert(a.files, at, m)
	a.longest = max(a.longest, m.count)
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

func (a *Archive) leaveOut(path string, err error) {
	a.cfg.Log.Error("A history file is left out", "file", path, "err", err)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.files = slices.DeleteFunc(a.files, func(m *member) bool { return m.path == path })
	a.recent.Store(newRecent())
	a.state.LeftOut = append(a.state.LeftOut, LeftOut{Path: path, Why: err.Error()})
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

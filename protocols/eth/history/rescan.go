package history

import (
	"context"
	"errors"
	"io/fs"
	"slices"

	"github.com/ethereum/go-ethereum/common"

	"github.com/troupe-p2p/troupe/protocols/eth/chain"
)

// Rescan serves the files that were put into the Archive's directories since NewArchive or the last Rescan, and
// stops serving those that another replaces: files that are not there any more, and whose numbers one file has that is. It
// waits for Index. Config.Changed is called if anything has changed. A new file that is corrupt, or of another chain, is
// logged and left out. The error is one of the system, or of ctx; the next Rescan tries again what it concerns.
func (a *Archive) Rescan(ctx context.Context) error {
	a.indexing.Lock()
	defer a.indexing.Unlock()
	there, err := a.findAll()
	if err != nil {
		return err
	}
	var failed []error
	changed := 0
	for _, path := range there {
		if slices.Contains(a.paths, path) {
			continue
		}
		if err := ctx.Err(); err != nil {
			failed = append(failed, err)
			break
		}
		err := a.enterReplacing(path, there)
		if ofSystem(err) {
			failed = append(failed, err)
			continue
		}
		if err != nil {
			a.leaveOut(path, err)
		}
		a.paths = append(slices.Clone(a.paths), path)
		changed++
		a.mu.Lock()
		a.state.Files++
		a.state.Indexed++
		a.mu.Unlock()
	}
	for _, m := range a.members() {
		if slices.Contains(there, m.path) {
			changed += a.retire(a.replacedBy(m, there))
		}
	}
	if changed > 0 && a.cfg.Changed != nil {
		a.cfg.Changed()
	}
	return errors.Join(failed...)
}

// findAll returns the files of the Archive's paths as they are now.
func (a *Archive) findAll() (there []string, err error) {
	for _, path := range a.cfg.Paths {
		found, err := find(path)
		if errors.Is(err, fs.ErrNotExist) && isHistory(path) {
			continue // a file, which is served no more
		}
		if err != nil {
			return nil, err
		}
		there = append(there, found...)
	}
	return there, nil
}

func (a *Archive) members() []*member {
	a.mu.RLock()
	defer a.mu.RUnlock()
	return slices.Clone(a.files)
}

// enterReplacing serves a file. Files that it replaces are served until then; where they contradict
// it, as after a reorganisation, they go first.
func (a *Archive) enterReplacing(path string, there []string) error {
	m, w, err := a.inspect(path)
	if err != nil {
		return err
	}
	if err = a.admit(m, w); err != nil && a.retire(a.replacedBy(m, there)) > 0 {
		err = a.admit(m, w)
	}
	return err
}

// replacedBy returns the files that are not there any more, and whose numbers m has.
func (a *Archive) replacedBy(m *member, there []string) (replaced []*member) {
	for _, o := range a.members() {
		if m.contains(o.first) && m.contains(o.last.Number) && !slices.Contains(there, o.path) {
			replaced = append(replaced, o)
		}
	}
	return replaced
}

// retire stops serving files that were replaced, and returns how many. They are not left out: nothing is wrong with them.
func (a *Archive) retire(replaced []*member) int {
	for _, m := range replaced {
		a.mu.Lock()
		if at := slices.Index(a.files, m); at >= 0 {
			a.files = slices.Delete(slices.Clone(a.files), at, at+1)
			a.state.Blocks = blocksOf(a.files)
			a.state.Files--
			a.state.Indexed--
			a.recent.Store(newRecent())
		}
		a.mu.Unlock()
		a.paths = slices.DeleteFunc(slices.Clone(a.paths), func(path string) bool { return path == m.path })
		a.handles.forget(m.path)
		if a.cfg.CacheDir == "" {
			continue
		}
		if err := (cache{dir: a.cfg.CacheDir}).remove(m.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			a.cfg.Log.Warn("removing what was kept of a replaced history file failed", "file", m.path, "err", err)
		}
	}
	return len(replaced)
}

// First returns the lowest block of the files; ok is false if there are none. It reads no file.
func (a *Archive) First() (first uint64, ok bool) {
	a.mu.RLock()
	defer a.mu.RUnlock()
	if len(a.files) == 0 {
		return 0, false
	}
	return a.files[0].first, true
}

// HasBlock reports whether a file has a part of block n with a hash, by the beginning of the hash. It reads no file.
func (a *Archive) HasBlock(p chain.Part, n uint64, hash common.Hash) bool {
	return a.Has(p, n) && a.indexed(hash, n)
}

// Missing returns the blocks of a range of which no file has one of the parts, in ascending order. It reads no file.
func (a *Archive) Missing(in Range, parts ...chain.Part) []Range {
	a.mu.RLock()
	files := slices.Clone(a.files)
	a.mu.RUnlock()
	var all []Range
	for _, p := range parts {
		var have []Range
		for _, m := range files {
			if m.has[p] {
				have = append(have, Range{m.first, m.first + m.count - 1})
			}
		}
		all = append(all, without(in, have)...)
	}
	return union(all)
}

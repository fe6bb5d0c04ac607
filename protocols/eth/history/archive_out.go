package history

import "slices"

// drop leaves out a file that was served. It does so once, though many may read the file at the
// same time.
func (a *Archive) drop(m *member, err error) {
	a.mu.Lock()
	at := slices.Index(a.files, m)
	if at >= 0 {
		a.files = slices.Delete(slices.Clone(a.files), at, at+1)
		a.state.Blocks = blocksOf(a.files)
		a.recent.Store(newRecent())
		a.noteLeftOut(m.path, err)
	}
	a.mu.Unlock()
	if at < 0 {
		return
	}
	a.handles.forget(m.path)
	a.logLeftOut(m.path, err)
	if a.cfg.Changed != nil {
		a.cfg.Changed()
	}
}

// leaveOut leaves out a file that was never served.
func (a *Archive) leaveOut(path string, err error) {
	a.mu.Lock()
	a.noteLeftOut(path, err)
	a.mu.Unlock()
	a.logLeftOut(path, err)
}

// noteLeftOut must be called with the lock.
func (a *Archive) noteLeftOut(path string, err error) {
	a.state.LeftOut = append(a.state.LeftOut, LeftOut{Path: path, Why: err.Error()})
}

func (a *Archive) logLeftOut(path string, err error) {
	a.cfg.Log.Error("a history file is left out", "file", path, "err", err)
}

// blocksOf returns how many numbers the files have, which are sorted by their first block.
func blocksOf(files []*member) (blocks uint64) {
	var end uint64
	for _, m := range files {
		from, to := max(m.first, end), m.first+m.count
		if from < to {
			blocks += to - from
			end = to
		}
	}
	return blocks
}

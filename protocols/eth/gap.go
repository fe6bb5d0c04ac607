package eth

import "github.com/troupe-p2p/troupe/protocols/eth/history"

// settled is how many blocks the run that ends at the head must have before a gap below it is named:
// until then the window is being filled.
const settled = 64

// gapBelow returns the blocks that are missing between the last block of the files and the run from first
// to head; ok is false if there are none, or the run is still growing downward.
func gapBelow(files, first, head uint64) (gap history.Range, ok bool) {
	if first <= files+1 || head-first+1 < settled {
		return gap, false
	}
	return history.Range{First: files + 1, Last: first - 1}, true
}

// nameGap logs a gap between the files and the window, once for each end of the files. What lies below it
// is served, and not announced.
func (f *follower) nameGap(r run) {
	last, ok := f.eth.files.Last()
	if !ok {
		return
	}
	gap, ok := gapBelow(last.Number, r.first, r.head.Number)
	if !ok || gap.First == f.gap {
		return
	}
	f.gap = gap.First
	f.eth.log.Warn("blocks are missing between the history files and the last blocks; those below are served, and not announced",
		"first", gap.First, "last", gap.Last)
}

package eth

import (
	"maps"
	"slices"
	"time"

	"github.com/troupe-p2p/troupe/protocols/eth/history"
)

const (
	// fillBelow is how many blocks the files stay below the head: hardly any reorganisation is as deep.
	fillBelow = 8
	// fillLag is how many blocks the files are behind the head when they are filled. The window has 64, so that the
	// run of files and window has no gap, and 16 blocks are left for the download. The file of the last
	// epoch is rewritten each time, which is once in 40 blocks.
	fillLag = 48
	// firstRetry and lastRetry bound the time after which a range that could not be filled is tried again. It
	// doubles each time.
	firstRetry, lastRetry = time.Minute, 16 * time.Minute
)

// fillPlan decides which blocks are downloaded into the files next. The zero value is ready for use.
type fillPlan struct{ failed map[uint64]fillRetry } // by the first block of a range

// fillRetry says from when on a range that could not be filled is tried again.
type fillRetry struct {
	at   time.Time
	wait time.Duration
}

// next returns the range to download next: the highest that is due; ok is false if none is. missing are the ranges
// that the files lack from their first block up to fillBelow below the head, in ascending order. forked says that the
// last block of the files is not of the chain: then the file that has it is replaced as soon as
// there are blocks above.
func (p *fillPlan) next(now time.Time, missing []history.Range, head uint64, forked bool) (r history.Range, ok bool) {
	maps.DeleteFunc(p.failed, func(first uint64, _ fillRetry) bool {
		return !slices.ContainsFunc(missing, func(r history.Range) bool { return r.First == first })
	})
	for _, r := range slices.Backward(missing) {
		last := r.Last+fillBelow == head
		if last && !forked && head+1-r.First < fillLag {
			continue
		}
		if failed, ok := p.failed[r.First]; ok && now.Before(failed.at) {
			continue
		}
		return r, true
	}
	return r, false
}

// fail notes that a range could not be filled, and returns after which time it is tried again.
func (p *fillPlan) fail(now time.Time, r history.Range) time.Duration {
	if p.failed == nil {
		p.failed = map[uint64]fillRetry{}
	}
	wait := min(max(firstRetry, 2*p.failed[r.First].wait), lastRetry)
	p.failed[r.First] = fillRetry{at: now.Add(wait), wait: wait}
	return wait
}

package history

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sort"

	"github.com/ethereum/go-ethereum/common"
)

// JournalDir is the folder in a directory of files in which a download keeps what is not in a file
// yet.
const JournalDir = ".sync"

// List returns which blocks the files of a directory have, and how the files fit together. It reads
// the ends of each file, and where files overlap the blocks that tell them apart; Verify reads all.
func List(dir string) (*Report, error) {
	paths, err := find(dir)
	if err != nil {
		return nil, err
	}
	r := &Report{}
	for _, path := range paths {
		one, err := describeAt(path)
		if err != nil {
			r.LeftOut = append(r.LeftOut, LeftOut{Path: path, Why: err.Error()})
			continue
		}
		r.Files = append(r.Files, one)
	}
	r.relate(dir)
	return r, nil
}

func describeAt(path string) (r FileReport, err error) {
	f, err := Open(path)
	if err != nil {
		return r, err
	}
	defer f.Close()
	info, err := os.Stat(path)
	if err != nil {
		return r, err
	}
	return describe(f, info.Size())
}

// relate sorts the files, and finds gaps, overlaps and wrong links.
func (r *Report) relate(dir string) {
	slices.SortStableFunc(r.Files, func(a, b FileReport) int {
		return cmp.Or(cmp.Compare(a.First, b.First), cmp.Compare(b.Count, a.Count))
	})
	if _, err := os.Stat(filepath.Join(dir, JournalDir)); err == nil {
		r.Unfinished = true
	}
	hashes := handles{openFile: Open}
	defer hashes.close()
	next := uint64(0) // the block after all those before
	for i := range r.Files {
		f := &r.Files[i]
		if i > 0 && f.First > next {
			r.Gaps = append(r.Gaps, Range{next, f.First - 1})
		}
		for j := i - 1; j >= 0; j-- {
			if err := r.compare(&r.Files[j], f, &hashes); err != nil {
				r.Problems = append(r.Problems, err.Error())
			}
		}
		next = max(next, f.LastNumber()+1)
	}
}

// compare checks how file b, which does not begin before file a, fits to it.
func (r *Report) compare(a, b *FileReport, hashes *handles) error {
	if a.LastNumber()+1 < b.First {
		return nil
	}
	if a.LastNumber()+1 == b.First {
		if a.Last != b.Parent {
			r.Problems = append(r.Problems, fmt.Sprintf("block %d is %v in %s, but %v is the parent of the next in %s",
				a.LastNumber(), a.Last, a.Path, b.Parent, b.Path))
		}
		if a.total != nil && b.before != nil && a.total.Cmp(b.before) != 0 {
			r.Problems = append(r.Problems, fmt.Sprintf("the total difficulty of block %d is %v in %s, but %v before the next in %s",
				a.LastNumber(), a.total, a.Path, b.before, b.Path))
		}
		return nil
	}
	o := Overlap{Range: Range{b.First, min(a.LastNumber(), b.LastNumber())}, Paths: [2]string{a.Path, b.Path}}
	n, err := firstDifference(a.Path, b.Path, o.Range, hashes)
	if err != nil {
		return fmt.Errorf("compare %s and %s: %w", a.Path, b.Path, err)
	}
	if n <= o.Last {
		o.Differs = &n
	}
	r.Overlaps = append(r.Overlaps, o)
	return nil
}

// firstDifference returns the first of some blocks that is not the same in two files, or the number
// after the last. Blocks are linked by hashes: where two are the same, all before them are.
func firstDifference(a, b string, in Range, hashes *handles) (uint64, error) {
	var failed error // the first error
	same := func(i int) bool {
		n := in.Last - uint64(i) // downward: the last one is compared first
		x, err := hashAt(a, n, hashes)
		y, other := hashAt(b, n, hashes)
		if failed == nil {
			failed = errors.Join(err, other)
		}
		return x == y
	}
	if same(0) {
		return in.Last + 1, failed
	}
	differ := sort.Search(int(in.Last-in.First+1), same) // so many blocks at the end
	return in.Last - uint64(differ) + 1, failed
}

func hashAt(path string, n uint64, hashes *handles) (common.Hash, error) {
	h, err := hashes.take(path)
	if err != nil {
		return common.Hash{}, err
	}
	defer hashes.give(h)
	_, hash, err := h.file.Header(n)
	return hash, err
}

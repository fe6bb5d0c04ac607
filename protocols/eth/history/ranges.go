package history

import (
	"cmp"
	"slices"
)

// without returns what is left of a range without others, which are sorted by their first blocks.
func without(in Range, others []Range) (left []Range) {
	next := in.First
	for _, o := range others {
		if o.First > in.Last {
			break
		}
		if o.First > next {
			left = append(left, Range{next, o.First - 1})
		}
		next = max(next, o.Last+1)
	}
	if next <= in.Last {
		left = append(left, Range{next, in.Last})
	}
	return left
}

// union returns the ranges, sorted, with those that meet or overlap as one.
func union(ranges []Range) (all []Range) {
	slices.SortFunc(ranges, func(a, b Range) int { return cmp.Compare(a.First, b.First) })
	for _, r := range ranges {
		if n := len(all); n > 0 && r.First <= all[n-1].Last+1 {
			all[n-1].Last = max(all[n-1].Last, r.Last)
		} else {
			all = append(all, r)
		}
	}
	return all
}

package head

import (
	"cmp"
	"slices"

	"github.com/troupe-p2p/troupe/protocols/eth/verify"
)

// Agree returns the highest of some peers' heads that more than half of the peers have; ok is false if
// there is none. has[i] are the heads, by their index, that peer i has, besides its own. It is for peers
// that an operator has chosen.
func Agree(heads []verify.Header, has [][]bool) (h verify.Header, ok bool) {
	order := make([]int, len(heads))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(heads[b].Number, heads[a].Number) })
	for _, at := range order {
		support := 0
		for i := range heads {
			if has[i][at] || heads[i].Hash == heads[at].Hash {
				support++
			}
		}
		if 2*support > len(heads) {
			return heads[at], true
		}
	}
	return h, false
}

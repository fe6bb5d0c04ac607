package head

import (
	"net/netip"
	"slices"
	"time"

	"github.com/troupe-p2p/troupe/protocols/eth/verify"
)

// Decide returns the head by what has been said so far.
func (e *Election) Decide(now time.Time) Decision {
	e.claims = slices.DeleteFunc(e.claims, func(c claim) bool { return now.Sub(c.at) >= memory*e.slot })
	best, count := e.best()
	if e.head != nil && !e.leave() && (best == nil || best.headers[count-1].Number <= e.head.Number) {
		return Decision{Head: e.head, By: e.by}
	}
	last := e.head
	if best == nil {
		e.head, e.by, e.branch = nil, "", branch{}
		return Decision{Left: last}
	}
	headers := best.headers[:count]
	if last != nil && headers[count-1].Hash == last.Hash {
		return Decision{Head: e.head, By: e.by}
	}
	e.branch = e.branch.with(headers)
	e.head, e.by = &headers[count-1], best.source()
	d := Decision{Head: e.head, Branch: slices.Clone(headers), By: e.by}
	if last != nil {
		if hash, ok := e.branch.hash(last.Number); ok && hash != last.Hash || last.Number > e.head.Number {
			d.Left = last
		}
	}
	return d
}

func (c *claim) source() string {
	switch {
	case c.name != "":
		return c.name
	case c.trusted:
		return "trusted peer"
	}
	return "peers"
}

// best returns the claim with the highest block that counts, and how many of its headers there are
// up to it; nil if none counts.
func (e *Election) best() (best *claim, count int) {
	all := slices.Concat(e.fixed, e.claims)
	highest := uint64(0)
	for i := range all {
		c := &all[i]
		n := e.counts(all, c)
		if n == 0 {
			continue
		}
		// Of two at one height the one that is on the branch of the head comes first.
		h := &c.headers[n-1]
		if best == nil || h.Number > highest || h.Number == highest && e.onBranch(h) && !e.onBranch(&best.headers[count-1]) {
			best, count, highest = c, n, h.Number
		}
	}
	return best, count
}

func (e *Election) onBranch(h *verify.Header) bool {
	hash, ok := e.branch.hash(h.Number)
	return ok && hash == h.Hash || !ok && e.head != nil && h.Parent() == e.head.Hash
}

// counts returns how many of a claim's headers there are up to the highest that counts.
func (e *Election) counts(all []claim, c *claim) int {
	if c.trusted {
		return len(c.headers)
	}
	v := newVotes(all, e.branch.with(c.headers))
	for i := len(c.headers) - 1; i >= 0; i-- {
		h := &c.headers[i]
		support, against, vetoed := v.of(h)
		if vetoed || support < need {
			continue
		}
		if support > against {
			return i + 1
		}
	}
	return 0
}

// leave reports whether most of those asked contradict the head, and no trusted one, unless it is stale, has it.
func (e *Election) leave() bool {
	all := slices.Concat(e.fixed, e.claims)
	for i := range all {
		if hash, ok := all[i].hash(e.head.Number); ok && all[i].trusted && !all[i].stale && hash == e.head.Hash {
			return false
		}
	}
	v := newVotes(all, e.branch)
	support, against, vetoed := v.of(e.head)
	return vetoed || against >= need && against > support
}

// votes are what all claims say of a branch.
type votes struct {
	claims  []claim
	differs []uint64 // number from which on each claim has another branch
	other   []bool   // whether it has
}

func newVotes(all []claim, b branch) *votes {
	v := &votes{claims: all}
	for again := true; again; {
		again = false
		for i := range all {
			again = b.extend(&all[i]) || again
		}
	}
	for i := range all {
		n, ok := all[i].differs(&b)
		v.differs, v.other = append(v.differs, n), append(v.other, ok)
	}
	return v
}

// of returns how many networks have a block of the branch, and how many contradict it. vetoed is
// true if a trusted peer or a source does, by another block.
func (v *votes) of(h *verify.Header) (support, against int, vetoed bool) {
	var have, contradict []netip.Prefix
	for i := range v.claims {
		c := &v.claims[i]
		hash, covers := c.hash(h.Number)
		switch {
		case v.other[i] && v.differs[i] <= h.Number:
			if vetoed = vetoed || c.trusted && !c.stale; c.name == "" {
				contradict = addOnce(contradict, c.network)
			}
		case covers && hash == h.Hash:
			if c.name == "" {
				have = addOnce(have, c.network)
			}
		case c.name == "" && !c.open && c.end()+behind < h.Number:
			contradict = addOnce(contradict, c.network)
		}
	}
	return len(have), len(contradict), vetoed
}

func addOnce(list []netip.Prefix, p netip.Prefix) []netip.Prefix {
	if slices.Contains(list, p) {
		return list
	}
	return append(list, p)
}

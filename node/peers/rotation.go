package peers

import (
	"cmp"
	"slices"
	"time"

	"github.com/ethereum/go-ethereum/p2p/enode"
)

const (
	// rotationLook is the interval between two checks whether an eviction is due.
	rotationLook = time.Minute
	// rotationAfter is how long the table must have been full, and rotationEvery the time
	// between two evictions, less up to a fifth.
	rotationAfter = 10 * time.Minute
	rotationEvery = 5 * time.Minute
	// rotationAge is the least age of a link that may be evicted: a younger link had no time to
	// be useful.
	rotationAge = 15 * time.Minute
)

// rotation decides when to evict a peer so that another node gets its place. If all nodes were
// full for ever, a new node would find no place. It is a plain value.
type rotation struct {
	fullSince time.Time // zero: the table is not full
	next      time.Time // no eviction before this
	refusals  uint64    // at the last eviction, or when the table became full
}

// due reports whether to evict a peer now. refusals is how many nodes were refused for lack of
// room so far. If no node was refused for lack of room, no peer is evicted.
func (r *rotation) due(full bool, refusals uint64, jitter float64, now time.Time) bool {
	switch {
	case !full:
		r.fullSince = time.Time{}
		return false
	case r.fullSince.IsZero():
		r.fullSince, r.refusals = now, refusals
		return false
	case now.Sub(r.fullSince) < rotationAfter, now.Before(r.next), refusals == r.refusals:
		return false
	}
	r.refusals = refusals
	r.next = now.Add(rotationEvery - time.Duration(jitter*float64(rotationEvery/5)))
	return true
}

// evictable is a peer that may be evicted.
type evictable struct {
	id       enode.ID
	age      time.Duration
	messages uint64 // messages of protocols that the peer has sent
}

// usefulness returns the number of messages that the peer sends in a minute.
func (e evictable) usefulness() float64 { return float64(e.messages) / e.age.Minutes() }

// leastUseful chooses one of the least useful quarter. If it always chose the least useful
// peer, the next peer in the list could decide which one is evicted. chance is in [0, 1). ok is
// false if all links are too young.
func leastUseful(list []evictable, chance float64) (id enode.ID, ok bool) {
	list = slices.DeleteFunc(slices.Clone(list), func(e evictable) bool { return e.age < rotationAge })
	if len(list) == 0 {
		return enode.ID{}, false
	}
	slices.SortFunc(list, func(a, b evictable) int { return cmp.Compare(a.usefulness(), b.usefulness()) })
	quarter := (len(list) + 3) / 4
	return list[int(chance*float64(quarter))].id, true
}

package node

import (
	"cmp"
	"slices"
	"time"

	"github.com/ethereum/go-ethereum/p2p/enode"
)

const (
	// churnLook is how often the node looks whether somebody is to make room.
	churnLook = time.Minute
	// churnAfter is how long it must have been full, and churnEvery how long the last one is
	// ago, less up to a fifth.
	churnAfter = 10 * time.Minute
	churnEvery = 5 * time.Minute
	// churnAge is how old a link must be before it may be chosen: the young ones have had no
	// time to be of use.
	churnAge = 15 * time.Minute
)

// churn says when a peer is to make room for others. Where all places are taken for good,
// a node that is new finds none anywhere. It is a plain value.
type churn struct {
	fullSince time.Time // zero: it isn't
	next      time.Time // not before this
	refusals  int       // seen when somebody last made room, or the node became full
}

// due says whether one peer is to make room now. refusals is how many were turned away for
// want of room so far: as long as nobody wants a place, nobody has to leave his.
func (c *churn) due(full bool, refusals int, jitter float64, now time.Time) bool {
	switch {
	case !full:
		c.fullSince = time.Time{}
		return false
	case c.fullSince.IsZero():
		c.fullSince, c.refusals = now, refusals
		return false
	case now.Sub(c.fullSince) < churnAfter, now.Before(c.next), refusals == c.refusals:
		return false
	}
	c.refusals = refusals
	c.next = now.Add(churnEvery - time.Duration(jitter*float64(churnEvery/5)))
	return true
}

// churner is what peers needs for churn, and keeps over its crashes.
type churner struct {
	churn
	timer  Timer
	chance func() float64
}

// tenant is a peer that may have to make room.
type tenant struct {
	id       enode.ID
	age      time.Duration
	messages uint64 // that its protocols received
}

// usefulness is what it sends in a minute.
func (t tenant) usefulness() float64 { return float64(t.messages) / t.age.Minutes() }

// leastUseful chooses one of the quarter that is of least use: always the very least would
// be for its neighbour in the list to decide. chance is in [0, 1); false if all are young.
func leastUseful(list []tenant, chance float64) (enode.ID, bool) {
	list = slices.DeleteFunc(slices.Clone(list), func(t tenant) bool { return t.age < churnAge })
	if len(list) == 0 {
		return enode.ID{}, false
	}
	slices.SortFunc(list, func(a, b tenant) int { return cmp.Compare(a.usefulness(), b.usefulness()) })
	quarter := (len(list) + 3) / 4
	return list[int(chance*float64(quarter))].id, true
}

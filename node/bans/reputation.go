package bans

import (
	"maps"
	"math"
	"slices"
	"time"
)

const (
	banAt = 100
	// hostBanAt is higher, because many nodes may share an address.
	hostBanAt = 4 * banAt
	// forgiveness is the half-life of points.
	forgiveness = 30 * time.Minute
	// banFirst is the length of a first automatic ban. A ban within banMemory of the previous
	// one is twice as long as the previous one, up to banLongest.
	banFirst   = time.Hour
	banLongest = 24 * time.Hour
	banMemory  = 48 * time.Hour
	// reputationMemory limits the nodes and hosts remembered, because an attacker can make any
	// number of node IDs. Beyond it those with the best reputation are forgotten.
	reputationMemory = 4096
)

// reputation has a record of each remote that offended. It is a plain value.
type reputation struct {
	records map[Target]*record
}

// record has the points and bans of one node or host.
type record struct {
	points float64 // at the time at
	at     time.Time
	bans   int // within banMemory of each other
	banned time.Time
}

// score returns the points that are left at the time now.
func (c *record) score(now time.Time) float64 {
	return c.points * math.Exp2(-float64(now.Sub(c.at))/float64(forgiveness))
}

// record records an offence. It returns the length of the ban for it, or zero. After a ban
// the score starts at zero.
func (r *reputation) record(target Target, o Offence, now time.Time) (ban time.Duration) {
	if o.points() == 0 {
		return 0
	}
	c := r.records[target]
	if c == nil {
		r.makeRoom(now)
		c = &record{at: now}
		r.records[target] = c
	}
	c.points, c.at = c.score(now)+o.points(), now
	limit := float64(banAt)
	if target.Net.IsValid() {
		limit = hostBanAt
	}
	if c.points < limit {
		return 0
	}
	c.points = 0
	if now.Sub(c.banned) >= banMemory {
		c.bans = 0
	}
	ban = banFirst << min(c.bans, 5)
	c.bans++
	c.banned = now
	return min(ban, banLongest)
}

// score returns the points of a node or host now. 0 is good.
func (r *reputation) score(target Target, now time.Time) float64 {
	if c := r.records[target]; c != nil {
		return c.score(now)
	}
	return 0
}

// forget sets the points of a node or host to zero.
func (r *reputation) forget(target Target) { delete(r.records, target) }

// makeRoom forgets a quarter of the records when there are too many, so that the cost of
// sorting them is rare.
func (r *reputation) makeRoom(now time.Time) {
	if r.records == nil {
		r.records = map[Target]*record{}
	}
	if len(r.records) < reputationMemory {
		return
	}
	scores := make(map[Target]float64, len(r.records))
	for target, c := range r.records {
		scores[target] = c.score(now)
		if now.Sub(c.banned) < banMemory {
			scores[target] += banAt // a further ban would be longer
		}
	}
	best := slices.SortedFunc(maps.Keys(scores), func(a, b Target) int {
		switch {
		case scores[a] < scores[b]:
			return -1
		case scores[a] > scores[b]:
			return 1
		}
		return 0
	})
	for _, target := range best[:reputationMemory/4] {
		delete(r.records, target)
	}
}

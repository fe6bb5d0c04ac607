package node

import (
	"errors"
	"maps"
	"math"
	"os"
	"slices"
	"time"

	"github.com/troupe-p2p/troupe/actors"
	"github.com/troupe-p2p/troupe/node/refusal"
	"github.com/troupe-p2p/troupe/wire"
)

// offence is what a remote may do to its reputation.
type offence uint8

const (
	inoffensive offence = iota
	// breach: it sent what the protocol forbids.
	breach
	// provoked: a protocol actor crashed on what it sent, again and again.
	provoked
	// useless: no protocol in common, or another chain.
	useless
	// deaf: it read nothing, or asked for more than it read.
	deaf
	// silent: it neither answered nor closed.
	silent
	// garbled: a connection that began with no auth for us. Whoever has a record of ours
	// from before a change of key does so in good faith.
	garbled
)

func (o offence) String() string {
	return [...]string{"nothing", "breach of protocol", "crashes provoked", "useless", "reads nothing", "silent", "no valid handshake"}[o]
}

// points of each offence. At banAt a node is banned.
func (o offence) points() float64 {
	return [...]float64{inoffensive: 0, breach: 40, provoked: 40, useless: 20, deaf: 15, silent: 8, garbled: 8}[o]
}

const (
	banAt = 100
	// hostBanAt is higher, because many nodes may share an address.
	hostBanAt = 4 * banAt
	// forgiveness is how long it takes for half of the points to be forgotten.
	forgiveness = 30 * time.Minute
	// banFirst is the length of a first automatic ban. Each further one is twice as long, up
	// to banLongest, if it comes within banMemory of the one before.
	banFirst   = time.Hour
	banLongest = 24 * time.Hour
	banMemory  = 48 * time.Hour
	// reputationMemory bounds the nodes and hosts remembered. Beyond it those with the best
	// reputation are forgotten: node IDs cost nothing.
	reputationMemory = 4096
)

// offenceOf says what the end of a link tells of its remote.
func offenceOf(c *Cause) offence {
	switch {
	case c == nil || c.Side == actors.Remote || errors.Is(c.Err, refusal.ErrProtocolRemoved):
		return inoffensive
	case c.Stack != nil:
		return provoked
	case errors.Is(c.Err, actors.ErrWriteTimeout):
		return deaf
	case errors.Is(c.Err, actors.ErrPingTimeout), errors.Is(c.Err, actors.ErrSlowFrame):
		return silent
	case c.Side == actors.Network:
		return inoffensive
	}
	switch c.Reason {
	case wire.DiscProtocolError, wire.DiscSubprotocolError:
		// These two are also what a link ends with that our own protocol actor left, or was
		// too slow for: no fault of the remote.
		if errors.Is(c.Err, actors.ErrReturned) || errors.Is(c.Err, actors.ErrStalled) || errors.Is(c.Err, actors.ErrMemory) {
			return inoffensive
		}
		return breach
	case wire.DiscUselessPeer, wire.DiscIncompatibleVersion:
		return useless
	}
	return inoffensive
}

// offenceOfSetup says what the end of an inbound handshake tells of its remote.
func offenceOfSetup(err error) offence {
	switch {
	case err == nil:
		return inoffensive
	case errors.Is(err, refusal.ErrUselessPeer):
		return useless
	case errors.Is(err, wire.ErrBadAuth):
		return garbled
	case errors.Is(err, wire.ErrNoHello), errors.Is(err, wire.ErrBadHello), errors.Is(err, wire.ErrHelloTooLarge),
		errors.Is(err, wire.ErrInvalidIdentity), errors.Is(err, wire.ErrUnexpectedIdentity):
		return breach
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, refusal.ErrSetupTimeout):
		return silent
	}
	return inoffensive
}

// reputation is what is remembered of remotes that offended. It is a plain value.
type reputation struct {
	records map[BanTarget]*conductRecord
}

// conductRecord is what is remembered of one node or host.
type conductRecord struct {
	points float64 // as of at
	at     time.Time
	bans   int // within banMemory of each other
	banned time.Time
}

// score is what is left of a record's points.
func (c *conductRecord) score(now time.Time) float64 {
	return c.points * math.Exp2(-float64(now.Sub(c.at))/float64(forgiveness))
}

// record takes down an offence. It gives the length of the ban that it earns, or zero;
// after that the score starts anew.
func (r *reputation) record(who BanTarget, o offence, now time.Time) (ban time.Duration) {
	if o.points() == 0 {
		return 0
	}
	c := r.records[who]
	if c == nil {
		r.makeRoom(now)
		c = &conductRecord{at: now}
		r.records[who] = c
	}
	c.points, c.at = c.score(now)+o.points(), now
	limit := float64(banAt)
	if who.Net.IsValid() {
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

// score is how bad a node's or host's name is now: 0 is good.
func (r *reputation) score(who BanTarget, now time.Time) float64 {
	if c := r.records[who]; c != nil {
		return c.score(now)
	}
	return 0
}

// forget gives a node or host its good name back.
func (r *reputation) forget(who BanTarget) { delete(r.records, who) }

// makeRoom forgets a quarter of the records when there are too many, so that the cost of
// looking for them is shared by many offences.
func (r *reputation) makeRoom(now time.Time) {
	if r.records == nil {
		r.records = map[BanTarget]*conductRecord{}
	}
	if len(r.records) < reputationMemory {
		return
	}
	scores := make(map[BanTarget]float64, len(r.records))
	for who, c := range r.records {
		scores[who] = c.score(now)
		if now.Sub(c.banned) < banMemory {
			scores[who] += banAt // it was banned, and may be again for longer
		}
	}
	best := slices.SortedFunc(maps.Keys(scores), func(a, b BanTarget) int {
		switch {
		case scores[a] < scores[b]:
			return -1
		case scores[a] > scores[b]:
			return 1
		}
		return 0
	})
	for _, who := range best[:reputationMemory/4] {
		delete(r.records, who)
	}
}

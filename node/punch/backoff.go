package punch

import (
	"errors"
	"fmt"
	"time"

	"github.com/ethereum/go-ethereum/p2p/enode"
)

const (
	// memoryRest is how long a node is left alone where its NAT or ours is in the way, and
	// the longest where nothing is known to be.
	backoffMax = 30 * time.Minute
	// memoryFirst is how long after the first failure that says nothing of the NATs; it doubles.
	backoffFirst = 2 * time.Minute
	// memorySize is how many nodes are remembered.
	backoffNodes = 1024
)

// memory knows whom not to call again for a while. The zero value is ready.
type backoff struct {
	nodes map[enode.ID]*attempt
}

// tried is how it went with one node the last time.
type attempt struct {
	reason       error
	ours, theirs NAT // at that time
	until        time.Time
	rest         time.Duration // the next failure's, if that says nothing of the NATs
}

// may says why a node isn't to be called now, nil if it may be. The error is ErrImpossible where
// the NATs alone say so, else ErrTried around how the last call ended.
func (m *backoff) check(id enode.ID, ours, theirs NAT, now time.Time) error {
	if ours == AddressDependent && theirs == AddressDependent {
		return ErrImpossible
	}
	t := m.nodes[id]
	if t == nil || !now.Before(t.until) {
		return nil
	}
	if causedByNAT(t.reason) && (t.ours != ours || t.theirs != theirs) {
		return nil
	}
	return fmt.Errorf("%w, again in %v: %w", ErrTried, t.until.Sub(now).Round(time.Second), t.reason)
}

// ended takes in how a call ended, with what was believed of the NATs when it began. Only what
// says something of the way there counts.
func (m *backoff) record(id enode.ID, ours, theirs NAT, err error, now time.Time) {
	last := m.nodes[id]
	next := &attempt{reason: err, ours: ours, theirs: theirs, rest: backoffFirst}
	switch {
	case err == nil:
		delete(m.nodes, id)
		return
	case causedByNAT(err):
		next.until = now.Add(backoffMax)
	case errors.Is(err, ErrSilent), errors.Is(err, ErrTCP):
		rest := backoffFirst
		if last != nil {
			rest = last.rest
		}
		next.until, next.rest = now.Add(rest), min(2*rest, backoffMax)
	default:
		return
	}
	if last == nil {
		m.makeRoom(now)
	}
	m.nodes[id] = next
}

// isOfNATs is true for failures that stay the same as long as both NATs do.
func causedByNAT(err error) bool {
	return errors.Is(err, ErrImpossible) || errors.Is(err, ErrFiltered) || errors.Is(err, ErrUDPOnly)
}

// room makes room for one more: all are forgotten whose time has been over for as long as
// the longest rest, by when a doubled one is no longer due; if there are none, the one that
// may be called soonest.
func (m *backoff) makeRoom(now time.Time) {
	if m.nodes == nil {
		m.nodes = map[enode.ID]*attempt{}
	}
	if len(m.nodes) < backoffNodes {
		return
	}
	var soonest enode.ID
	var until time.Time
	for id, t := range m.nodes {
		if now.Sub(t.until) >= backoffMax {
			delete(m.nodes, id)
		} else if until.IsZero() || t.until.Before(until) {
			soonest, until = id, t.until
		}
	}
	if len(m.nodes) >= backoffNodes {
		delete(m.nodes, soonest)
	}
}

package punch

import (
	"errors"
	"fmt"
	"time"

	"github.com/ethereum/go-ethereum/p2p/enode"
)

const (
	// backoffMax is how long a node is not called again if a NAT prevented the call. It is also the
	// longest pause after other failures.
	backoffMax = 30 * time.Minute
	// backoffFirst is the pause after the first failure that no NAT explains. It doubles with each one.
	backoffFirst = 2 * time.Minute
	// backoffNodes bounds the nodes that are remembered.
	backoffNodes = 1024
)

// backoff records which nodes are not to be called again for a while. The zero value is ready.
type backoff struct {
	nodes map[enode.ID]*attempt
}

// attempt is the last call of one node that failed.
type attempt struct {
	reason       error
	ours, theirs NAT // when the call began
	until        time.Time
	rest         time.Duration // the pause after the next failure, if no NAT explains it
}

// check returns nil if a node may be called now. The error is ErrImpossible if the NATs alone rule it out;
// otherwise it is ErrTried, which wraps the error of the last call. That error no longer counts if a NAT
// explains it and either NAT is another one now.
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
	return fmt.Errorf("%w, next call in %v: %w", ErrTried, t.until.Sub(now).Round(time.Second), t.reason)
}

// record records how a call ended, with what both sides believed of their NATs when it began. Only results
// that say something about the path between the nodes count.
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

// causedByNAT reports whether a call fails in the same way again as long as both NATs stay the same.
func causedByNAT(err error) bool {
	return errors.Is(err, ErrImpossible) || errors.Is(err, ErrFiltered) || errors.Is(err, ErrUDPOnly)
}

// makeRoom makes room for one more node. It forgets all nodes whose pause ended at least backoffMax ago, because
// their doubled pause no longer matters. If there are none, it forgets the node that may be called soonest.
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

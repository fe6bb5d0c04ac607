package punch

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/p2p/enode"
)

// nodeID returns an ID with a number in it.
func nodeID(n int) (id enode.ID) {
	binary.BigEndian.PutUint64(id[:], uint64(n))
	return id
}

func TestBackoff(t *testing.T) {
	const ei, ad = EndpointIndependent, AddressDependent
	success := errors.New("success")
	type step struct {
		after        time.Duration // noon
		ours, theirs NAT
		ended        error // how the call at this time ends; nil: there is none
		why          error // the error of check
	}
	for _, tt := range []struct {
		name  string
		steps []step
	}{
		{"two address-dependent NATs are never tried", []step{{0, ad, ad, nil, ErrImpossible}}},
		{"one of them is tried", []step{{0, ad, ei, nil, nil}, {0, ei, ad, nil, nil}, {0, ad, Unknown, nil, nil}, {0, ad, Open, nil, nil}}},
		{"found impossible: half an hour", []step{{0, ad, Unknown, ErrImpossible, nil}, {30*time.Minute - 1, ad, Unknown, nil, ErrImpossible}, {30 * time.Minute, ad, Unknown, nil, nil}}},
		{"filtered: half an hour", []step{{0, ad, ei, ErrFiltered, nil}, {30*time.Minute - 1, ad, ei, nil, ErrFiltered}, {30 * time.Minute, ad, ei, nil, nil}}},
		{"filtered: until this node's NAT is another", []step{{0, ad, ei, ErrFiltered, nil}, {1, ei, ei, nil, nil}, {2, ad, ei, nil, ErrFiltered}}},
		{"filtered: until the other node's NAT is another", []step{{0, ad, ei, ErrFiltered, nil}, {1, ad, ei, nil, ErrFiltered}, {2, ad, Open, nil, nil}}},
		{"only UDP: half an hour", []step{{0, ad, ei, ErrUDPOnly, nil}, {30*time.Minute - 1, ad, ei, nil, ErrUDPOnly}, {30 * time.Minute, ad, ei, nil, nil}}},
		{"silent: from two minutes to half an hour", []step{
			{0, ei, ei, ErrSilent, nil}, {2*time.Minute - 1, ei, ei, nil, ErrSilent},
			{2 * time.Minute, ei, ei, ErrTCP, nil}, {6*time.Minute - 1, ei, ei, nil, ErrTCP},
			{6 * time.Minute, ei, ei, ErrSilent, nil}, {14*time.Minute - 1, ei, ei, nil, ErrSilent},
			{14 * time.Minute, ei, ei, ErrSilent, nil}, {30*time.Minute - 1, ei, ei, nil, ErrSilent},
			{30 * time.Minute, ei, ei, ErrSilent, nil}, {60*time.Minute - 1, ei, ei, nil, ErrSilent},
			{60 * time.Minute, ei, ei, ErrSilent, nil}, {90*time.Minute - 1, ei, ei, nil, ErrSilent},
			{90 * time.Minute, ei, ei, nil, nil},
		}},
		{"silent: another NAT changes nothing", []step{{0, ei, ei, ErrSilent, nil}, {1, Open, ad, nil, ErrSilent}}},
		{"success resets the pause", []step{
			{0, ei, ei, ErrSilent, nil}, {2 * time.Minute, ei, ei, ErrSilent, nil}, {6 * time.Minute, ei, ei, success, nil},
			{7 * time.Minute, ei, ei, ErrSilent, nil}, {9 * time.Minute, ei, ei, nil, nil},
		}},
		{"other results are not recorded", []step{
			{0, ei, ei, ErrBusy, nil}, {1, ei, ei, ErrNoNeighbour, nil}, {2, ei, ei, ErrUnsupported, nil}, {3, ei, ei, ErrCrossed, nil},
			{4, ei, ei, ErrDown, nil}, {5, ei, ei, context.Canceled, nil}, {6, ei, ei, nil, nil},
		}},
		{"other results do not reset the pause", []step{
			{0, ei, ei, ErrSilent, nil}, {2 * time.Minute, ei, ei, ErrBusy, nil}, {2*time.Minute + 1, ei, ei, ErrSilent, nil}, {6 * time.Minute, ei, ei, nil, ErrSilent},
		}},
		{"the wrapped cause counts", []step{{0, ei, ei, fmt.Errorf("at 1.2.3.4: %w", ErrTCP), nil}, {1, ei, ei, nil, ErrTCP}}},
	} {
		var m backoff
		for i, s := range tt.steps {
			now := noon.Add(s.after)
			err := m.check(nodeID(1), s.ours, s.theirs, now)
			if !errors.Is(err, s.why) || s.why != nil && s.why != ErrImpossible && !errors.Is(err, ErrTried) {
				t.Errorf("%s: step %d: %v", tt.name, i, err)
			}
			switch {
			case err != nil || s.ended == nil:
			case s.ended == success:
				m.record(nodeID(1), s.ours, s.theirs, nil, now)
			default:
				m.record(nodeID(1), s.ours, s.theirs, s.ended, now)
			}
			if err := m.check(nodeID(2), EndpointIndependent, Open, now); err != nil {
				t.Errorf("%s: step %d: another node: %v", tt.name, i, err)
			}
		}
	}
}

func TestBackoffIsBounded(t *testing.T) {
	var m backoff
	allowed := func(id int, now time.Time) bool {
		return m.check(nodeID(id), EndpointIndependent, AddressDependent, now) == nil
	}
	record := func(id int, err error, now time.Time) {
		m.record(nodeID(id), EndpointIndependent, AddressDependent, err, now)
	}
	for id := range backoffNodes {
		record(id, ErrFiltered, noon)
	}
	record(7, ErrSilent, noon) // it may be called soonest
	record(backoffNodes, ErrFiltered, noon)
	if len(m.nodes) != backoffNodes || !allowed(7, noon) || allowed(8, noon) || allowed(backoffNodes, noon) {
		t.Errorf("%d nodes; call allowed for the node with the shortest pause: %v, for another: %v, for the newest: %v", len(m.nodes), allowed(7, noon), allowed(8, noon), allowed(backoffNodes, noon))
	}
	later := noon.Add(2 * backoffMax)
	record(5000, ErrSilent, later)
	if len(m.nodes) != 1 || allowed(5000, later) {
		t.Errorf("%d nodes are remembered, want only the one whose pause has not ended long ago", len(m.nodes))
	}
}

func TestCauseName(t *testing.T) {
	var m backoff
	m.record(nodeID(1), Open, Open, ErrSilent, noon)
	for _, tt := range []struct {
		err  error
		want string
	}{
		{nil, EndedLinked},
		{ErrUnsupported, EndedUnsupported},
		{ErrNoNeighbour, EndedUnrelayed},
		{ErrImpossible, EndedImpossible},
		{ErrFiltered, EndedFiltered},
		{ErrSilent, EndedSilent},
		{ErrUDPOnly, EndedUDPOnly},
		{ErrTCP, EndedTCP},
		{fmt.Errorf("%w: refused", ErrTCP), EndedTCP},
		{ErrCrossed, EndedCrossed},
		{ErrBusy, EndedBusy},
		{ErrDown, EndedDown},
		{m.check(nodeID(1), Open, Open, noon), EndedTried},
		{context.Canceled, EndedOther},
	} {
		if got := causeName(tt.err); got != tt.want {
			t.Errorf("%v: %q", tt.err, got)
		}
	}
}

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

// nodeID makes an ID of a number.
func nodeID(n int) (id enode.ID) {
	binary.BigEndian.PutUint64(id[:], uint64(n))
	return id
}

func TestMemory(t *testing.T) {
	const ei, ad = EndpointIndependent, AddressDependent
	success := errors.New("a call that ends well")
	type step struct {
		after        time.Duration // noon
		ours, theirs NAT
		ended        error // how the call at this time ends, if there is one
		why          error // why it may not be
	}
	for _, tt := range []struct {
		name  string
		steps []step
	}{
		{"two that map by address are not even tried", []step{{0, ad, ad, nil, ErrImpossible}}},
		{"one of them is", []step{{0, ad, ei, nil, nil}, {0, ei, ad, nil, nil}, {0, ad, Unknown, nil, nil}, {0, ad, Open, nil, nil}}},
		{"found impossible: half an hour", []step{{0, ad, Unknown, ErrImpossible, nil}, {30*time.Minute - 1, ad, Unknown, nil, ErrImpossible}, {30 * time.Minute, ad, Unknown, nil, nil}}},
		{"filtered: half an hour", []step{{0, ad, ei, ErrFiltered, nil}, {30*time.Minute - 1, ad, ei, nil, ErrFiltered}, {30 * time.Minute, ad, ei, nil, nil}}},
		{"filtered: until our NAT is another", []step{{0, ad, ei, ErrFiltered, nil}, {1, ei, ei, nil, nil}, {2, ad, ei, nil, ErrFiltered}}},
		{"filtered: until theirs is another", []step{{0, ad, ei, ErrFiltered, nil}, {1, ad, ei, nil, ErrFiltered}, {2, ad, Open, nil, nil}}},
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
		{"success forgets", []step{
			{0, ei, ei, ErrSilent, nil}, {2 * time.Minute, ei, ei, ErrSilent, nil}, {6 * time.Minute, ei, ei, success, nil},
			{7 * time.Minute, ei, ei, ErrSilent, nil}, {9 * time.Minute, ei, ei, nil, nil},
		}},
		{"other ends are forgotten", []step{
			{0, ei, ei, ErrBusy, nil}, {1, ei, ei, ErrNoNeighbour, nil}, {2, ei, ei, ErrUnsupported, nil}, {3, ei, ei, ErrCrossed, nil},
			{4, ei, ei, ErrDown, nil}, {5, ei, ei, context.Canceled, nil}, {6, ei, ei, nil, nil},
		}},
		{"and don't make others be", []step{
			{0, ei, ei, ErrSilent, nil}, {2 * time.Minute, ei, ei, ErrBusy, nil}, {2*time.Minute + 1, ei, ei, ErrSilent, nil}, {6 * time.Minute, ei, ei, nil, ErrSilent},
		}},
		{"the cause inside counts", []step{{0, ei, ei, fmt.Errorf("at 1.2.3.4: %w", ErrTCP), nil}, {1, ei, ei, nil, ErrTCP}}},
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
				t.Errorf("%s: step %d: of another node: %v", tt.name, i, err)
			}
		}
	}
}

func TestMemoryIsBounded(t *testing.T) {
	var m backoff
	may := func(id int, now time.Time) bool {
		return m.check(nodeID(id), EndpointIndependent, AddressDependent, now) == nil
	}
	ended := func(id int, err error, now time.Time) {
		m.record(nodeID(id), EndpointIndependent, AddressDependent, err, now)
	}
	for id := range backoffNodes {
		ended(id, ErrFiltered, noon)
	}
	ended(7, ErrSilent, noon) // the soonest to be called again
	ended(backoffNodes, ErrFiltered, noon)
	if len(m.nodes) != backoffNodes || !may(7, noon) || may(8, noon) || may(backoffNodes, noon) {
		t.Errorf("%d nodes; may call the soonest: %v, another: %v, the newest: %v", len(m.nodes), may(7, noon), may(8, noon), may(backoffNodes, noon))
	}
	later := noon.Add(2 * backoffMax)
	ended(5000, ErrSilent, later)
	if len(m.nodes) != 1 || may(5000, later) {
		t.Errorf("%d nodes are remembered when all but one are long over", len(m.nodes))
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

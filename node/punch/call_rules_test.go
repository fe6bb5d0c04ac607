package punch

import (
	"errors"
	"fmt"
	"net/netip"
	"reflect"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/p2p/enode"
)

// Each step is an event, and what callRules returns to be done.
func TestCallRules(t *testing.T) {
	var (
		byRecord = netip.MustParseAddrPort("30.20.20.1:30303")
		byRelay  = netip.MustParseAddrPort("30.20.20.1:40000")
		opener   = netip.MustParseAddrPort("30.20.20.1:50000")
		nowhere  = netip.AddrPort{}
		lost     = errors.New("timeout")
		one, two = new(enode.Node), new(enode.Node)
		agreed   = openAnswer{Status: accepted, Port: 7, NAT: EndpointIndependent}
		ask      = func(at netip.AddrPort) askOpen {
			return askOpen{at, open{Port: 9, NAT: EndpointIndependent, Delay: 300}}
		}
	)
	type step struct {
		name string
		do   func(c *callRules) []any
		want []any
	}
	begin := step{"begin", (*callRules).begin, []any{sendOpener{byRecord}, callBy{one}}}
	called := func(s status, at netip.AddrPort, err error, want ...any) step {
		return step{fmt.Sprintf("called %d %v", s, err), func(c *callRules) []any { return c.called(s, at, err) }, want}
	}
	pong := func(err error, want ...any) step {
		return step{fmt.Sprint("pong ", err), func(c *callRules) []any { return c.pong(err) }, want}
	}
	heard := step{"heard", func(c *callRules) []any { c.openerReceived(opener); return nil }, nil}
	learned := func(port uint16, err error, want ...any) step {
		return step{"learned", func(c *callRules) []any { return c.learned(port, err) }, want}
	}
	opened := func(a openAnswer, err error, want ...any) step {
		return step{"opened", func(c *callRules) []any { return c.opened(a, 100*time.Millisecond, err) }, want}
	}
	paused := func(want ...any) step { return step{"paused", (*callRules).pauseOver, want} }
	met := func(err error, want ...any) step {
		return step{"met", func(c *callRules) []any { return c.connected(err) }, want}
	}
	expired := func(want ...any) step { return step{"expired", (*callRules).expired, want} }
	meeting := connect{netip.AddrPortFrom(byRelay.Addr(), 7), 250 * time.Millisecond}
	not, blank := called(unknownNode, nowhere, nil, callBy{two}), called(unknownNode, nowhere, nil, pause{unknownPause})
	again := paused(sendOpener{byRecord}, callBy{one})
	round := []step{called(accepted, byRelay, nil, ping{byRelay}), pong(lost, ping{byRelay})}

	for _, tc := range []struct {
		name         string
		ours, theirs NAT
		relays       int // 0: two
		steps        []step
		want         error // how the call ended; nil: with a connection, or not yet
	}{
		{"success", EndpointIndependent, EndpointIndependent, 0, []step{
			begin, learned(9, nil), called(accepted, byRelay, nil, ping{byRelay}), pong(nil, ask(byRelay)), opened(agreed, nil, meeting), met(nil, finish{nil}),
		}, nil},
		{"the opener comes from another endpoint", EndpointIndependent, AddressDependent, 0, []step{
			begin, heard, called(accepted, byRelay, nil, ping{opener}), pong(nil, finish{ErrUDPOnly}),
		}, ErrUDPOnly},
		{"the opener comes late", EndpointIndependent, AddressDependent, 0, []step{
			begin, called(accepted, byRelay, nil, ping{byRelay}), pong(lost, ping{byRelay}), heard, pong(lost, ping{opener}), pong(nil, finish{ErrUDPOnly}),
		}, ErrUDPOnly},
		{"the first relay does not know the target", EndpointIndependent, EndpointIndependent, 0, []step{
			begin, called(unknownNode, nowhere, nil, callBy{two}), called(accepted, byRelay, nil, ping{byRelay}),
		}, nil},
		{"no relay knows the target", EndpointIndependent, EndpointIndependent, 0, []step{
			begin, not, blank, again, not, blank, again, not, blank, again, not, blank, again, called(unknownNode, nowhere, nil, callBy{two}), called(unknownNode, nowhere, nil, finish{ErrNoNeighbour}),
		}, ErrNoNeighbour},
		{"the relay knows the target in the next round", EndpointIndependent, EndpointIndependent, 1, []step{
			begin, called(unknownNode, nowhere, nil, pause{unknownPause}), again, called(accepted, byRelay, nil, ping{byRelay}),
		}, nil},
		{"the relays do not take part", EndpointIndependent, EndpointIndependent, 0, []step{
			begin, called(0, nowhere, ErrUnsupported, callBy{two}), called(0, nowhere, ErrUnsupported, finish{ErrNoNeighbour}),
		}, ErrNoNeighbour},
		{"a lying relay says yes without an endpoint", EndpointIndependent, EndpointIndependent, 0, []step{
			begin, called(accepted, nowhere, nil, callBy{two}), called(accepted, nowhere, nil, finish{ErrNoNeighbour}),
		}, ErrNoNeighbour},
		{"a datagram to the relay is lost", EndpointIndependent, EndpointIndependent, 0, []step{
			begin, called(0, nowhere, lost, callBy{two}), called(unknownNode, nowhere, nil, pause{retryPause}), paused(sendOpener{byRecord}, callBy{one}),
		}, nil},
		{"the relay that knows the target is asked first in the next round", EndpointIndependent, EndpointIndependent, 0, []step{
			begin, called(unknownNode, nowhere, nil, callBy{two}), called(accepted, byRelay, nil, ping{byRelay}), pong(lost, ping{byRelay}), pong(lost, sendOpener{byRelay}, callBy{two}),
		}, nil},
		{"both NATs are address-dependent", AddressDependent, AddressDependent, 0, []step{
			{"begin", (*callRules).begin, []any{finish{ErrImpossible}}},
		}, ErrImpossible},
		{"one NAT is address-dependent, the other filters by port", AddressDependent, EndpointIndependent, 1, append(append([]step{begin}, round...), []step{
			pong(lost, sendOpener{byRelay}, callBy{one}), called(accepted, byRelay, nil, ping{byRelay}),
			pong(lost, sendOpener{byRelay}, callBy{one}), called(accepted, byRelay, nil, ping{byRelay}),
			pong(lost, finish{ErrFiltered}),
		}...), ErrFiltered},
		{"the external port is known late", EndpointIndependent, EndpointIndependent, 0, []step{
			begin, called(accepted, byRelay, nil, ping{byRelay}), pong(nil), learned(9, nil, ask(byRelay)),
		}, nil},
		{"the external port is never known", EndpointIndependent, EndpointIndependent, 0, []step{
			begin, called(accepted, byRelay, nil, ping{byRelay}), pong(nil), learned(0, lost, finish{errors.Join(ErrTCP, lost)}),
		}, ErrTCP},
		{"the target is not ready", EndpointIndependent, EndpointIndependent, 0, []step{
			begin, learned(9, nil), called(accepted, byRelay, nil, ping{byRelay}), pong(nil, ask(byRelay)),
			opened(openAnswer{Status: notReady}, nil, pause{retryPause}), paused(ask(byRelay)), opened(agreed, nil, meeting),
		}, nil},
		{"OPEN is lost five times", EndpointIndependent, EndpointIndependent, 0, []step{
			begin, learned(9, nil), called(accepted, byRelay, nil, ping{byRelay}), pong(nil, ask(byRelay)), opened(openAnswer{}, lost, ask(byRelay)),
			opened(openAnswer{}, lost, ask(byRelay)), opened(openAnswer{}, lost, ask(byRelay)), opened(openAnswer{}, lost, ask(byRelay)), opened(openAnswer{}, lost, finish{errors.Join(ErrTCP, lost)}),
		}, ErrTCP},
		{"accepted without a port", EndpointIndependent, EndpointIndependent, 0, []step{
			begin, learned(9, nil), called(accepted, byRelay, nil, ping{byRelay}), pong(nil, ask(byRelay)), opened(openAnswer{Status: accepted}, nil, finish{fmt.Errorf("%w: the node answered OPEN with status %d", ErrTCP, accepted)}),
		}, ErrTCP},
		{"accepted by an address-dependent node, while this node is not open", EndpointIndependent, EndpointIndependent, 0, []step{
			begin, learned(9, nil), called(accepted, byRelay, nil, ping{byRelay}), pong(nil, ask(byRelay)), opened(openAnswer{Status: accepted, Port: 7, NAT: AddressDependent}, nil, finish{ErrUDPOnly}),
		}, ErrUDPOnly},
		{"a relay that knows the target is asked twice, then another", EndpointIndependent, EndpointIndependent, 0, append(append([]step{begin}, round...), []step{
			pong(lost, sendOpener{byRelay}, callBy{one}), called(accepted, byRelay, nil, ping{byRelay}), pong(lost, ping{byRelay}), pong(lost, sendOpener{byRelay}, callBy{two}),
		}...), nil},
		{"the target's own call continues", EndpointIndependent, EndpointIndependent, 0, []step{
			begin, learned(9, nil), called(accepted, byRelay, nil, ping{byRelay}), pong(nil, ask(byRelay)), opened(openAnswer{Status: callsCrossed}, nil, finish{ErrCrossed}),
		}, ErrCrossed},
		{"TCP does not come through", EndpointIndependent, EndpointIndependent, 0, []step{
			begin, learned(9, nil), called(accepted, byRelay, nil, ping{byRelay}), pong(nil, ask(byRelay)), opened(agreed, nil, meeting), met(lost, finish{errors.Join(ErrTCP, lost)}),
		}, ErrTCP},
		{"this node is open, the target's NAT is address-dependent", Open, AddressDependent, 0, []step{
			begin, learned(9, nil), called(accepted, byRelay, nil, ping{byRelay}), pong(nil, askOpen{byRelay, open{Port: 9, NAT: Open, Delay: 300}}),
			opened(openAnswer{Status: accepted, NAT: AddressDependent}, nil, connect{netip.AddrPortFrom(byRelay.Addr(), 0), 250 * time.Millisecond}),
		}, nil},
		{"timeout while ringing", EndpointIndependent, EndpointIndependent, 0, []step{
			begin, expired(finish{ErrSilent}), called(accepted, byRelay, nil), expired(),
		}, ErrSilent},
		{"timeout while connecting", EndpointIndependent, EndpointIndependent, 0, []step{
			begin, learned(9, nil), called(accepted, byRelay, nil, ping{byRelay}), pong(nil, ask(byRelay)), opened(agreed, nil, meeting), expired(), met(nil, finish{nil}),
		}, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			relays := []*enode.Node{one, two}
			if tc.relays > 0 {
				relays = relays[:tc.relays]
			}
			c := &callRules{ours: tc.ours, theirs: tc.theirs, relays: relays, record: byRecord, canTCP: true}
			for i, s := range tc.steps {
				got := s.do(c)
				if len(got) == 0 && len(s.want) == 0 {
					continue
				}
				if !reflect.DeepEqual(got, s.want) {
					t.Fatalf("step %d, %s: returned %+v, want %+v", i, s.name, got, s.want)
				}
			}
			if !errors.Is(c.err, tc.want) {
				t.Errorf("the call ended with %v, want %v", c.err, tc.want)
			}
		})
	}
}

func TestCrossedCalls(t *testing.T) {
	for _, tc := range []struct {
		phase   phase
		lower   bool
		giveWay bool
	}{
		{ringing, true, true}, {ringing, false, true}, {pinging, true, true},
		{opening, true, false}, {opening, false, true}, {connecting, true, false}, {connecting, false, false},
	} {
		c := callRules{phase: tc.phase}
		if got := c.crossed(tc.lower); got != tc.giveWay {
			t.Errorf("phase %d, lower %v: gives way is %v", tc.phase, tc.lower, got)
		}
	}
}

func TestAnswerRules(t *testing.T) {
	from := netip.MustParseAddr("30.10.10.1")
	for _, tc := range []struct {
		name    string
		ours    NAT
		noTCP   bool
		port    uint16
		err     error
		msg     open
		want    openAnswer
		connect *connect
	}{
		{"accepted", EndpointIndependent, false, 9, nil, open{Port: 7, NAT: EndpointIndependent, Delay: 300},
			openAnswer{Status: accepted, Port: 9, NAT: EndpointIndependent}, &connect{netip.AddrPortFrom(from, 7), 300 * time.Millisecond}},
		{"a delay that is too long is cut", EndpointIndependent, false, 9, nil, open{Port: 7, NAT: EndpointIndependent, Delay: 65535},
			openAnswer{Status: accepted, Port: 9, NAT: EndpointIndependent}, &connect{netip.AddrPortFrom(from, 7), maxDelay}},
		{"the external port is not known yet", EndpointIndependent, false, 0, nil, open{Port: 7, NAT: EndpointIndependent}, openAnswer{Status: notReady, NAT: EndpointIndependent}, nil},
		{"the external port is never known", EndpointIndependent, false, 0, errNoTCP, open{Port: 7, NAT: EndpointIndependent}, openAnswer{Status: refused, NAT: EndpointIndependent}, nil},
		{"this node does not listen", EndpointIndependent, true, 0, nil, open{Port: 7, NAT: EndpointIndependent}, openAnswer{Status: refused, NAT: EndpointIndependent}, nil},
		{"OPEN without a port", EndpointIndependent, false, 9, nil, open{NAT: EndpointIndependent}, openAnswer{Status: refused, Port: 9, NAT: EndpointIndependent}, nil},
		{"the caller's NAT is address-dependent", EndpointIndependent, false, 9, nil, open{Port: 7, NAT: AddressDependent}, openAnswer{Status: tcpImpossible, Port: 9, NAT: EndpointIndependent}, nil},
		{"this node's NAT is address-dependent", AddressDependent, false, 9, nil, open{Port: 7, NAT: EndpointIndependent}, openAnswer{Status: tcpImpossible, Port: 9, NAT: AddressDependent}, nil},
		{"this node's NAT is address-dependent, the caller is open", AddressDependent, false, 9, nil, open{Port: 7, NAT: Open},
			openAnswer{Status: accepted, Port: 9, NAT: AddressDependent}, &connect{netip.AddrPortFrom(from, 7), 0}},
		{"the caller's NAT is address-dependent, this node is open", Open, false, 9, nil, open{Port: 7, NAT: AddressDependent},
			openAnswer{Status: accepted, Port: 9, NAT: Open}, &connect{netip.AddrPortFrom(from, 0), 0}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			a := answerRules{ours: tc.ours, canTCP: !tc.noTCP}
			a.learned(tc.port, tc.err)
			got, todo := a.open(tc.msg, from)
			if !reflect.DeepEqual(got, tc.want) {
				t.Errorf("answer %+v, want %+v", got, tc.want)
			}
			if tc.connect == nil && len(todo) > 0 || tc.connect != nil && !reflect.DeepEqual(todo, []any{*tc.connect}) {
				t.Errorf("returned %+v, want %+v", todo, tc.connect)
			}
			if tc.connect == nil {
				return
			}
			if got, todo := a.open(tc.msg, from); got.Status != accepted || todo != nil {
				t.Errorf("the second OPEN: answer %+v, returned %+v", got, todo)
			}
		})
	}
}

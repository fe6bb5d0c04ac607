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

// What a call does, step by step: what happens, and what is to be done then.
func TestCaller(t *testing.T) {
	var (
		byRecord = netip.MustParseAddrPort("30.20.20.1:30303")
		byRelay  = netip.MustParseAddrPort("30.20.20.1:40000")
		came     = netip.MustParseAddrPort("30.20.20.1:50000")
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
	heard := step{"heard", func(c *callRules) []any { c.openerReceived(came); return nil }, nil}
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
		want         error // how it ended; nil with over: linked
	}{
		{"all goes well", EndpointIndependent, EndpointIndependent, 0, []step{
			begin, learned(9, nil), called(accepted, byRelay, nil, ping{byRelay}), pong(nil, ask(byRelay)), opened(agreed, nil, meeting), met(nil, finish{nil}),
		}, nil},
		{"the opener comes from elsewhere", EndpointIndependent, AddressDependent, 0, []step{
			begin, heard, called(accepted, byRelay, nil, ping{came}), pong(nil, finish{ErrUDPOnly}),
		}, ErrUDPOnly},
		{"the opener comes late", EndpointIndependent, AddressDependent, 0, []step{
			begin, called(accepted, byRelay, nil, ping{byRelay}), pong(lost, ping{byRelay}), heard, pong(lost, ping{came}), pong(nil, finish{ErrUDPOnly}),
		}, ErrUDPOnly},
		{"the first relay doesn't know the target", EndpointIndependent, EndpointIndependent, 0, []step{
			begin, called(unknownNode, nowhere, nil, callBy{two}), called(accepted, byRelay, nil, ping{byRelay}),
		}, nil},
		{"no relay does", EndpointIndependent, EndpointIndependent, 0, []step{
			begin, not, blank, again, not, blank, again, not, blank, again, not, blank, again, called(unknownNode, nowhere, nil, callBy{two}), called(unknownNode, nowhere, nil, finish{ErrNoNeighbour}),
		}, ErrNoNeighbour},
		{"the relay knows it again", EndpointIndependent, EndpointIndependent, 1, []step{
			begin, called(unknownNode, nowhere, nil, pause{unknownPause}), again, called(accepted, byRelay, nil, ping{byRelay}),
		}, nil},
		{"a relay doesn't take part", EndpointIndependent, EndpointIndependent, 0, []step{
			begin, called(0, nowhere, ErrUnsupported, callBy{two}), called(0, nowhere, ErrUnsupported, finish{ErrNoNeighbour}),
		}, ErrNoNeighbour},
		{"a lying relay says yes without an endpoint", EndpointIndependent, EndpointIndependent, 0, []step{
			begin, called(accepted, nowhere, nil, callBy{two}), called(accepted, nowhere, nil, finish{ErrNoNeighbour}),
		}, ErrNoNeighbour},
		{"a datagram to the relay is lost", EndpointIndependent, EndpointIndependent, 0, []step{
			begin, called(0, nowhere, lost, callBy{two}), called(unknownNode, nowhere, nil, pause{retryPause}), paused(sendOpener{byRecord}, callBy{one}),
		}, nil},
		{"the one that knows is asked first in the next round", EndpointIndependent, EndpointIndependent, 0, []step{
			begin, called(unknownNode, nowhere, nil, callBy{two}), called(accepted, byRelay, nil, ping{byRelay}), pong(lost, ping{byRelay}), pong(lost, sendOpener{byRelay}, callBy{two}),
		}, nil},
		{"both map by address", AddressDependent, AddressDependent, 0, []step{
			{"begin", (*callRules).begin, []any{finish{ErrImpossible}}},
		}, ErrImpossible},
		{"one maps by address, the other filters by port", AddressDependent, EndpointIndependent, 1, append(append([]step{begin}, round...), []step{
			pong(lost, sendOpener{byRelay}, callBy{one}), called(accepted, byRelay, nil, ping{byRelay}),
			pong(lost, sendOpener{byRelay}, callBy{one}), called(accepted, byRelay, nil, ping{byRelay}),
			pong(lost, finish{ErrFiltered}),
		}...), ErrFiltered},
		{"our port is known late", EndpointIndependent, EndpointIndependent, 0, []step{
			begin, called(accepted, byRelay, nil, ping{byRelay}), pong(nil), learned(9, nil, ask(byRelay)),
		}, nil},
		{"our port is never known", EndpointIndependent, EndpointIndependent, 0, []step{
			begin, called(accepted, byRelay, nil, ping{byRelay}), pong(nil), learned(0, lost, finish{errors.Join(ErrTCP, lost)}),
		}, ErrTCP},
		{"the target isn't ready", EndpointIndependent, EndpointIndependent, 0, []step{
			begin, learned(9, nil), called(accepted, byRelay, nil, ping{byRelay}), pong(nil, ask(byRelay)),
			opened(openAnswer{Status: notReady}, nil, pause{retryPause}), paused(ask(byRelay)), opened(agreed, nil, meeting),
		}, nil},
		{"OPEN is lost five times", EndpointIndependent, EndpointIndependent, 0, []step{
			begin, learned(9, nil), called(accepted, byRelay, nil, ping{byRelay}), pong(nil, ask(byRelay)), opened(openAnswer{}, lost, ask(byRelay)),
			opened(openAnswer{}, lost, ask(byRelay)), opened(openAnswer{}, lost, ask(byRelay)), opened(openAnswer{}, lost, ask(byRelay)), opened(openAnswer{}, lost, finish{errors.Join(ErrTCP, lost)}),
		}, ErrTCP},
		{"yes, but without a port", EndpointIndependent, EndpointIndependent, 0, []step{
			begin, learned(9, nil), called(accepted, byRelay, nil, ping{byRelay}), pong(nil, ask(byRelay)), opened(openAnswer{Status: accepted}, nil, finish{fmt.Errorf("%w: the node answers %d", ErrTCP, accepted)}),
		}, ErrTCP},
		{"yes from any port, where we can't be reached ourselves", EndpointIndependent, EndpointIndependent, 0, []step{
			begin, learned(9, nil), called(accepted, byRelay, nil, ping{byRelay}), pong(nil, ask(byRelay)), opened(openAnswer{Status: accepted, Port: 7, NAT: AddressDependent}, nil, finish{ErrUDPOnly}),
		}, ErrUDPOnly},
		{"a relay that knows the target is asked twice, then another", EndpointIndependent, EndpointIndependent, 0, append(append([]step{begin}, round...), []step{
			pong(lost, sendOpener{byRelay}, callBy{one}), called(accepted, byRelay, nil, ping{byRelay}), pong(lost, ping{byRelay}), pong(lost, sendOpener{byRelay}, callBy{two}),
		}...), nil},
		{"the target's own call goes on", EndpointIndependent, EndpointIndependent, 0, []step{
			begin, learned(9, nil), called(accepted, byRelay, nil, ping{byRelay}), pong(nil, ask(byRelay)), opened(openAnswer{Status: callsCrossed}, nil, finish{ErrCrossed}),
		}, ErrCrossed},
		{"TCP doesn't come through", EndpointIndependent, EndpointIndependent, 0, []step{
			begin, learned(9, nil), called(accepted, byRelay, nil, ping{byRelay}), pong(nil, ask(byRelay)), opened(agreed, nil, meeting), met(lost, finish{errors.Join(ErrTCP, lost)}),
		}, ErrTCP},
		{"we are open, the target maps by address", Open, AddressDependent, 0, []step{
			begin, learned(9, nil), called(accepted, byRelay, nil, ping{byRelay}), pong(nil, askOpen{byRelay, open{Port: 9, NAT: Open, Delay: 300}}),
			opened(openAnswer{Status: accepted, NAT: AddressDependent}, nil, connect{netip.AddrPortFrom(byRelay.Addr(), 0), 250 * time.Millisecond}),
		}, nil},
		{"time is over while ringing", EndpointIndependent, EndpointIndependent, 0, []step{
			begin, expired(finish{ErrSilent}), called(accepted, byRelay, nil), expired(),
		}, ErrSilent},
		{"time is over while connecting", EndpointIndependent, EndpointIndependent, 0, []step{
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
					t.Fatalf("step %d, %s: to do is %+v, want %+v", i, s.name, got, s.want)
				}
			}
			if !errors.Is(c.err, tc.want) {
				t.Errorf("it ended with %v, want %v", c.err, tc.want)
			}
		})
	}
}

func TestCrossing(t *testing.T) {
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
			t.Errorf("in phase %d, lower %v: gives way: %v", tc.phase, tc.lower, got)
		}
	}
}

func TestAnswerer(t *testing.T) {
	from := netip.MustParseAddr("30.10.10.1")
	for _, tc := range []struct {
		name  string
		ours  NAT
		noTCP bool
		port  uint16
		err   error
		msg   open
		want  openAnswer
		meet  *connect
	}{
		{"yes", EndpointIndependent, false, 9, nil, open{Port: 7, NAT: EndpointIndependent, Delay: 300},
			openAnswer{Status: accepted, Port: 9, NAT: EndpointIndependent}, &connect{netip.AddrPortFrom(from, 7), 300 * time.Millisecond}},
		{"a delay without sense is cut", EndpointIndependent, false, 9, nil, open{Port: 7, NAT: EndpointIndependent, Delay: 65535},
			openAnswer{Status: accepted, Port: 9, NAT: EndpointIndependent}, &connect{netip.AddrPortFrom(from, 7), maxDelay}},
		{"our port isn't known yet", EndpointIndependent, false, 0, nil, open{Port: 7, NAT: EndpointIndependent}, openAnswer{Status: notReady, NAT: EndpointIndependent}, nil},
		{"our port is never known", EndpointIndependent, false, 0, errNoTCP, open{Port: 7, NAT: EndpointIndependent}, openAnswer{Status: refused, NAT: EndpointIndependent}, nil},
		{"we don't listen", EndpointIndependent, true, 0, nil, open{Port: 7, NAT: EndpointIndependent}, openAnswer{Status: refused, NAT: EndpointIndependent}, nil},
		{"no port", EndpointIndependent, false, 9, nil, open{NAT: EndpointIndependent}, openAnswer{Status: refused, Port: 9, NAT: EndpointIndependent}, nil},
		{"the caller maps by address", EndpointIndependent, false, 9, nil, open{Port: 7, NAT: AddressDependent}, openAnswer{Status: tcpImpossible, Port: 9, NAT: EndpointIndependent}, nil},
		{"we map by address", AddressDependent, false, 9, nil, open{Port: 7, NAT: EndpointIndependent}, openAnswer{Status: tcpImpossible, Port: 9, NAT: AddressDependent}, nil},
		{"we do, but the caller is open", AddressDependent, false, 9, nil, open{Port: 7, NAT: Open},
			openAnswer{Status: accepted, Port: 9, NAT: AddressDependent}, &connect{netip.AddrPortFrom(from, 7), 0}},
		{"the caller does, but we are open", Open, false, 9, nil, open{Port: 7, NAT: AddressDependent},
			openAnswer{Status: accepted, Port: 9, NAT: Open}, &connect{netip.AddrPortFrom(from, 0), 0}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			a := answerRules{ours: tc.ours, canTCP: !tc.noTCP}
			a.learned(tc.port, tc.err)
			got, todo := a.open(tc.msg, from)
			if !reflect.DeepEqual(got, tc.want) {
				t.Errorf("answer %+v, want %+v", got, tc.want)
			}
			if tc.meet == nil && len(todo) > 0 || tc.meet != nil && !reflect.DeepEqual(todo, []any{*tc.meet}) {
				t.Errorf("to do is %+v, want %+v", todo, tc.meet)
			}
			if tc.meet == nil {
				return
			}
			if got, todo := a.open(tc.msg, from); got.Status != accepted || todo != nil {
				t.Errorf("the second time: answer %+v, to do %+v", got, todo)
			}
		})
	}
}

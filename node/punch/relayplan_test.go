package punch

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/p2p/enode"
	"github.com/ethereum/go-ethereum/p2p/enr"
)

// neighbour makes a node with an entry, or without one for a nat of -1.
func neighbour(id int, ip string, nat int, seq uint64) *enode.Node {
	var r enr.Record
	r.Set(enr.IP(netip.MustParseAddr(ip).AsSlice()))
	r.Set(enr.UDP(30303))
	r.Set(enr.UDP6(30303))
	if nat >= 0 {
		r.Set(NewEntry(NAT(nat)))
	}
	r.SetSeq(seq)
	return enode.SignNull(&r, nodeID(id))
}

// numbers gives the nodes that neighbour made by their numbers.
func numbers(nodes []*enode.Node) (list []int) {
	for _, n := range nodes {
		id := n.ID()
		list = append(list, int(binary.BigEndian.Uint64(id[:])))
	}
	return list
}

// steady is a plan without jitter.
func steady() *relayPlan { return &relayPlan{random: func() float64 { return 0 }} }

func TestRelayChoice(t *testing.T) {
	const none, unknown, open, independent, dependent = -1, int(Unknown), int(Open), int(EndpointIndependent), int(AddressDependent)
	type is struct {
		ip  string
		nat int
	}
	for _, tt := range []struct {
		name       string
		neighbours []is
		want       []int
	}{
		{"nobody", nil, nil},
		{"who takes part and has no NAT", []is{{"30.0.1.1", none}, {"30.0.2.1", independent}, {"30.0.3.1", dependent}, {"30.0.4.1", unknown}, {"30.0.5.1", open}}, []int{4, 3}},
		{"three at most", []is{{"30.0.1.1", open}, {"30.0.2.1", open}, {"30.0.3.1", open}, {"30.0.4.1", open}}, []int{0, 1, 2}},
		{"open before unknown", []is{{"30.0.1.1", unknown}, {"30.0.2.1", open}, {"30.0.3.1", open}, {"30.0.4.1", open}}, []int{1, 2, 3}},
		{"of different networks", []is{{"30.0.1.1", open}, {"30.0.1.2", open}, {"30.0.1.3", open}, {"30.0.2.1", unknown}}, []int{0, 3, 1}},
		{"of one, where there is no choice", []is{{"30.0.1.1", open}, {"30.0.1.2", open}}, []int{0, 1}},
		{"IPv6 by site", []is{{"2a00:1:2:3::1", open}, {"2a00:1:2:4::1", open}, {"2a00:1:3::1", open}, {"2a00:1:4::1", open}}, []int{0, 2, 3}},
		{"a private network is all networks", []is{{"10.0.0.1", open}, {"10.0.0.2", open}, {"10.0.0.3", open}, {"30.0.1.1", open}}, []int{0, 1, 2}},
		{"so is this machine", []is{{"127.0.0.1", open}, {"127.0.0.1", open}, {"127.0.0.1", open}}, []int{0, 1, 2}},
		{"a number that is not known", []is{{"30.0.1.1", 9}}, []int{0}},
	} {
		var list []*enode.Node
		for i, n := range tt.neighbours {
			list = append(list, neighbour(i, n.ip, n.nat, 1))
		}
		if got := numbers(steady().next(noon, list, true)); !slices.Equal(got, tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
	var nowhere enr.Record
	nowhere.Set(NewEntry(Open))
	if got := steady().next(noon, []*enode.Node{enode.SignNull(&nowhere, nodeID(1))}, true); len(got) > 0 {
		t.Error("a node without an address was chosen")
	}
}

// play is a plan with what happens to it, by the second.
type play struct {
	t          *testing.T
	plan       *relayPlan
	now        time.Time
	neighbours []*enode.Node
	eager      bool
	dead       map[int]bool  // don't answer
	told       map[int][]int // seconds since noon, by node
	turns      int           // that wait was for
}

func newPlay(t *testing.T, neighbours ...*enode.Node) *play {
	return &play{t: t, plan: steady(), now: noon, neighbours: neighbours, eager: true, dead: map[int]bool{}, told: map[int][]int{}}
}

// until plays on, as the actor does: a turn whenever wait says so, and one after each answer.
func (p *play) until(end time.Duration) {
	p.t.Helper()
	for {
		p.turns++
		for told := p.turn(); len(told) > 0; told = p.turn() {
			for _, id := range numbers(told) {
				p.told[id] = append(p.told[id], int(p.now.Sub(noon)/time.Second))
				if p.dead[id] {
					p.plan.failed(nodeID(id), p.now)
				} else {
					p.plan.answered(nodeID(id), p.now)
				}
			}
		}
		wait := p.plan.wait(p.now)
		if wait <= 0 {
			p.t.Fatalf("after %v: no wait", p.now.Sub(noon))
		}
		if p.now.Add(wait).After(noon.Add(end)) {
			p.now = noon.Add(end)
			return
		}
		p.now = p.now.Add(wait)
	}
}

func (p *play) turn() []*enode.Node {
	return p.plan.next(p.now, p.neighbours, p.eager)
}

func (p *play) wantTold(id int, seconds ...int) {
	p.t.Helper()
	if !slices.Equal(p.told[id], seconds) {
		p.t.Errorf("%d was told at %v, want %v", id, p.told[id], seconds)
	}
}

func (p *play) wantRelays(ids ...int) {
	p.t.Helper()
	if got := numbers(p.plan.relays(p.now)); !slices.Equal(got, ids) {
		p.t.Errorf("after %v: relays %v, want %v", p.now.Sub(noon), got, ids)
	}
}

var (
	a1 = neighbour(1, "30.0.1.1", int(Open), 1)
	b2 = neighbour(2, "30.0.2.1", int(Unknown), 1)
	c3 = neighbour(3, "30.0.3.1", int(Open), 1)
	d4 = neighbour(4, "30.0.4.1", int(Open), 1)
	e5 = neighbour(5, "30.0.1.5", int(Open), 1) // in the network of a1
)

func TestRelaysAreTold(t *testing.T) {
	p := newPlay(t, b2, a1, c3)
	p.wantRelays()
	p.until(59 * time.Second)
	p.wantTold(1, 0, 20, 40)
	p.wantTold(2, 0, 20, 40)
	p.wantRelays(1, 3, 2) // open ones first
	p.eager = false       // found to be open
	p.until(900 * time.Second)
	p.wantTold(1, 0, 20, 40, 60, 360, 660)
	p.wantRelays(1, 3, 2)
	p.eager = true
	p.until(925 * time.Second)
	p.wantTold(1, 0, 20, 40, 60, 360, 660, 900, 920)
}

func TestRelaysAreToldOfAnotherRecord(t *testing.T) {
	p := newPlay(t, a1, b2)
	p.until(7 * time.Second)
	p.plan.helloAll()
	if got := numbers(p.turn()); !slices.Equal(got, []int{1, 2}) {
		t.Errorf("at once: %v", got)
	}
	p.plan.helloAll()
	if got, wait := p.turn(), p.plan.wait(p.now); len(got) > 0 || wait != helloMinGap {
		t.Errorf("and at once again: %v, wait %v", numbers(got), wait)
	}
	p.until(28 * time.Second)
	p.wantTold(1, 0, 7, 27)
}

func TestRelayThatDoesNotAnswer(t *testing.T) {
	p := newPlay(t, a1, b2, c3, d4)
	p.dead[3] = true
	p.until(time.Minute)
	p.wantTold(3, 0, 1, 3)
	p.wantTold(2, 3, 23, 43)
	p.wantRelays(1, 4, 2)
	if !p.plan.chose(nodeID(3), p.now) || p.plan.chose(nodeID(3), noon.Add(124*time.Second)) {
		t.Error("it may ring for two minutes from the last HELLO")
	}
	// Five minutes later it is taken again, if another is gone.
	p.until(302 * time.Second)
	p.dead[2], p.dead[3] = true, false
	p.until(400 * time.Second)
	p.wantTold(3, 0, 1, 3, 306, 326, 346, 366, 386)
	p.wantRelays(1, 3, 4)
}

func TestRelayThatDoesNotAnswerIsKeptWithoutAnother(t *testing.T) {
	p := newPlay(t, a1)
	p.until(15 * time.Second)
	p.dead[1] = true
	p.until(150 * time.Second)
	p.wantTold(1, 0, 20, 21, 23, 43, 63, 83, 103, 123, 143)
	p.wantRelays()
	p.dead[1] = false
	p.until(170 * time.Second)
	p.wantRelays(1)
}

func TestRelayThatFailedLastComesLast(t *testing.T) {
	p := newPlay(t, a1, c3)
	p.until(time.Second)
	p.plan.failed(a1.ID(), p.now)
	p.wantRelays(3, 1)
	p.plan.answered(a1.ID(), p.now)
	p.wantRelays(1, 3)
	p.plan.failed(nodeID(9), p.now) // one that was never chosen
	p.plan.answered(nodeID(9), p.now)
	p.wantRelays(1, 3)
}

func TestRelayLeavesTheTable(t *testing.T) {
	p := newPlay(t, a1, b2, c3)
	p.until(time.Second)
	p.neighbours = []*enode.Node{d4}
	p.until(50 * time.Second)
	p.wantRelays(1, 3, 2)
	p.wantTold(4)
	p.wantTold(1, 0, 20, 40)
}

func TestRelayHasAnotherRecord(t *testing.T) {
	p := newPlay(t, a1)
	p.until(time.Second)
	p.neighbours = []*enode.Node{neighbour(1, "30.0.9.9", int(Open), 2), neighbour(1, "30.0.9.8", int(Open), 1)}
	p.until(21 * time.Second)
	if got := p.plan.relays(p.now); len(got) != 1 || got[0].IPAddr().String() != "30.0.9.9" {
		t.Errorf("relays %v", got)
	}
	p.neighbours = []*enode.Node{neighbour(1, "30.0.9.9", int(EndpointIndependent), 3)}
	p.until(25 * time.Second)
	p.wantRelays()
	p.neighbours = []*enode.Node{neighbour(1, "30.0.9.9", int(Open), 4)}
	p.until(299 * time.Second)
	p.wantTold(1, 0, 20) // who changes his mind gets no more HELLOs for it
	p.until(400 * time.Second)
	p.wantRelays(1)
}

func TestRelayOfAnotherNetworkComes(t *testing.T) {
	f6 := neighbour(6, "30.0.1.6", int(Open), 1)
	p := newPlay(t, a1, e5, f6)
	p.until(time.Second)
	p.wantRelays(1, 5, 6)
	p.neighbours = append(p.neighbours, d4)
	p.until(21 * time.Second)
	p.wantRelays(1, 5, 4)
	p.neighbours = append(p.neighbours, b2)
	p.until(41 * time.Second)
	p.wantRelays(1, 4, 2)
	p.until(2 * time.Minute)
	p.wantRelays(1, 4, 2)
}

func TestRelayPlanWaits(t *testing.T) {
	p := newPlay(t)
	if wait := p.plan.wait(noon); wait != 0 {
		t.Errorf("before anything: %v", wait)
	}
	p.until(9800 * time.Millisecond)
	if p.turns != 20 {
		t.Errorf("%d turns in ten seconds with no neighbour", p.turns)
	}
	p.until(61 * time.Second)
	if p.turns != 32 {
		t.Errorf("%d turns in a minute with no neighbour", p.turns)
	}
	p.neighbours = []*enode.Node{a1, b2, c3}
	p.until(70 * time.Second)
	p.wantRelays(1, 3, 2)
	turns := p.turns
	p.until(85 * time.Second)
	if p.turns != turns+2 { // one of them is where the play goes on
		t.Errorf("%d turns in 15 s with three relays", p.turns-turns)
	}
}

func TestRelayChoicesAreThoseOfThatMoment(t *testing.T) {
	p := newPlay(t, a1)
	before := p.plan.choices()
	p.until(time.Second)
	after := p.plan.choices()
	for _, tt := range []struct {
		name   string
		choice func(enode.ID, time.Time) bool
		id     int
		after  time.Duration
		want   bool
	}{
		{"before any HELLO", before, 1, 0, false},
		{"after it", after, 1, time.Minute, true},
		{"two minutes after it", after, 1, 2 * time.Minute, true},
		{"later", after, 1, 2*time.Minute + 1, false},
		{"another", after, 2, time.Minute, false},
	} {
		if got := tt.choice(nodeID(tt.id), noon.Add(tt.after)); got != tt.want {
			t.Errorf("%s: %v", tt.name, got)
		}
	}
}

func TestRelayJitter(t *testing.T) {
	for random, want := range map[float64]time.Duration{0: 20 * time.Second, 0.5: 19 * time.Second, 0.999: 18002 * time.Millisecond} {
		p := relayPlan{random: func() float64 { return random }}
		p.next(noon, []*enode.Node{a1, b2, c3}, true)
		if wait := p.wait(noon); wait != want {
			t.Errorf("%v: %v, want %v", random, wait, want)
		}
	}
	var p relayPlan // without a source of its own
	p.next(noon, []*enode.Node{a1, b2, c3}, true)
	if wait := p.wait(noon); wait > 20*time.Second || wait < 18*time.Second {
		t.Errorf("wait %v", wait)
	}
}

// TestRelayPlanHolds has neighbours come, go, change their records and not answer, at random:
// there are never more than three relays, nobody with a NAT among those newly told, no busy loop,
// no more than a few HELLOs, and bounded memory.
func TestRelayPlanHolds(t *testing.T) {
	for seed := range uint64(3) {
		random := rand.New(rand.NewPCG(seed, 2))
		p := relayPlan{random: random.Float64}
		now := noon
		records := make([]*enode.Node, 40)
		for i := range records {
			records[i] = neighbour(i, fmt.Sprintf("30.0.%d.%d", random.IntN(6), i+1), random.IntN(4), 1)
		}
		last := map[int]time.Time{}
		hellos, renewals := 0, 0
		for turn := range 1000 {
			i := random.IntN(len(records))
			if random.IntN(20) == 0 {
				records[i] = neighbour(i, fmt.Sprintf("30.0.%d.%d", random.IntN(6), i+1), random.IntN(4), records[i].Seq()+1)
			}
			if random.IntN(100) == 0 {
				p.helloAll()
				renewals++
			}
			for _, id := range numbers(p.next(now, records[:random.IntN(len(records)+1)], random.IntN(50) > 0)) {
				hellos++
				if at, ok := last[id]; ok && now.Sub(at) < helloMinGap {
					t.Fatalf("seed %d, turn %d: %d is told twice within %v", seed, turn, id, now.Sub(at))
				}
				last[id] = now
				if !p.chose(nodeID(id), now) {
					t.Fatalf("seed %d, turn %d: %d was told and may not ring", seed, turn, id)
				}
				if random.IntN(3) == 0 {
					p.failed(nodeID(id), now)
				} else {
					p.answered(nodeID(id), now)
				}
			}
			if len(p.chosen) > maxChosen || len(p.lastHello) > len(records) || len(p.excluded) > len(records) {
				t.Fatalf("seed %d, turn %d: %d relays, %d told, %d resting", seed, turn, len(p.chosen), len(p.lastHello), len(p.excluded))
			}
			for i, r := range p.chosen {
				if r.nat > Open || p.find(r.node.ID()) != p.chosen[i] {
					t.Fatalf("seed %d, turn %d: relay %v of NAT %v", seed, turn, r.node.ID(), r.nat)
				}
			}
			wait := p.wait(now)
			if failing := slices.ContainsFunc(p.chosen, func(r *relay) bool { return r.fails > 0 }); wait <= 0 && !failing {
				t.Fatalf("seed %d, turn %d: wait %v", seed, turn, wait)
			}
			now = now.Add(max(wait, time.Millisecond))
		}
	}
}

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

// neighbour returns a node with an entry for hole punching, or without one if nat is -1.
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

// numbers returns the IDs that neighbour gave the nodes.
func numbers(nodes []*enode.Node) (list []int) {
	for _, n := range nodes {
		id := n.ID()
		list = append(list, int(binary.BigEndian.Uint64(id[:])))
	}
	return list
}

// steady returns a plan without jitter.
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
		{"no neighbours", nil, nil},
		{"those that take part and may be open", []is{{"30.0.1.1", none}, {"30.0.2.1", independent}, {"30.0.3.1", dependent}, {"30.0.4.1", unknown}, {"30.0.5.1", open}}, []int{4, 3}},
		{"three at most", []is{{"30.0.1.1", open}, {"30.0.2.1", open}, {"30.0.3.1", open}, {"30.0.4.1", open}}, []int{0, 1, 2}},
		{"open before unknown", []is{{"30.0.1.1", unknown}, {"30.0.2.1", open}, {"30.0.3.1", open}, {"30.0.4.1", open}}, []int{1, 2, 3}},
		{"different networks", []is{{"30.0.1.1", open}, {"30.0.1.2", open}, {"30.0.1.3", open}, {"30.0.2.1", unknown}}, []int{0, 3, 1}},
		{"one network, if there is no other", []is{{"30.0.1.1", open}, {"30.0.1.2", open}}, []int{0, 1}},
		{"IPv6 by site", []is{{"2a00:1:2:3::1", open}, {"2a00:1:2:4::1", open}, {"2a00:1:3::1", open}, {"2a00:1:4::1", open}}, []int{0, 2, 3}},
		{"private addresses share no network", []is{{"10.0.0.1", open}, {"10.0.0.2", open}, {"10.0.0.3", open}, {"30.0.1.1", open}}, []int{0, 1, 2}},
		{"loopback addresses share no network", []is{{"127.0.0.1", open}, {"127.0.0.1", open}, {"127.0.0.1", open}}, []int{0, 1, 2}},
		{"an unknown kind of NAT", []is{{"30.0.1.1", 9}}, []int{0}},
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

// play drives a plan through a series of events.
type play struct {
	t          *testing.T
	plan       *relayPlan
	now        time.Time
	neighbours []*enode.Node
	notOpen    bool
	dead       map[int]bool  // neighbours that do not answer
	hellos     map[int][]int // when each node received HELLO, in seconds since noon
	turns      int           // of next, as wait demanded them
}

func newPlay(t *testing.T, neighbours ...*enode.Node) *play {
	return &play{t: t, plan: steady(), now: noon, neighbours: neighbours, notOpen: true, dead: map[int]bool{}, hellos: map[int][]int{}}
}

// until continues as the actor does: with a turn whenever wait demands it, and one after each answer.
func (p *play) until(end time.Duration) {
	p.t.Helper()
	for {
		p.turns++
		for to := p.turn(); len(to) > 0; to = p.turn() {
			for _, id := range numbers(to) {
				p.hellos[id] = append(p.hellos[id], int(p.now.Sub(noon)/time.Second))
				if p.dead[id] {
					p.plan.failed(nodeID(id), p.now)
				} else {
					p.plan.answered(nodeID(id), p.now)
				}
			}
		}
		wait := p.plan.wait(p.now)
		if wait <= 0 {
			p.t.Fatalf("after %v: wait is not positive", p.now.Sub(noon))
		}
		if p.now.Add(wait).After(noon.Add(end)) {
			p.now = noon.Add(end)
			return
		}
		p.now = p.now.Add(wait)
	}
}

func (p *play) turn() []*enode.Node {
	return p.plan.next(p.now, p.neighbours, p.notOpen)
}

func (p *play) wantHellos(id int, seconds ...int) {
	p.t.Helper()
	if !slices.Equal(p.hellos[id], seconds) {
		p.t.Errorf("%d received HELLO at %v, want %v", id, p.hellos[id], seconds)
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

func TestRelaysReceiveHellos(t *testing.T) {
	p := newPlay(t, b2, a1, c3)
	p.wantRelays()
	p.until(59 * time.Second)
	p.wantHellos(1, 0, 20, 40)
	p.wantHellos(2, 0, 20, 40)
	p.wantRelays(1, 3, 2) // open relays first
	p.notOpen = false     // the node turns out to be open
	p.until(900 * time.Second)
	p.wantHellos(1, 0, 20, 40, 60, 360, 660)
	p.wantRelays(1, 3, 2)
	p.notOpen = true
	p.until(925 * time.Second)
	p.wantHellos(1, 0, 20, 40, 60, 360, 660, 900, 920)
}

func TestRelaysReceiveHelloWithNewRecord(t *testing.T) {
	p := newPlay(t, a1, b2)
	p.until(7 * time.Second)
	p.plan.helloAll()
	if got := numbers(p.turn()); !slices.Equal(got, []int{1, 2}) {
		t.Errorf("right after helloAll: %v", got)
	}
	p.plan.helloAll()
	if got, wait := p.turn(), p.plan.wait(p.now); len(got) > 0 || wait != helloMinGap {
		t.Errorf("right after a second helloAll: %v, wait %v", numbers(got), wait)
	}
	p.until(28 * time.Second)
	p.wantHellos(1, 0, 7, 27)
}

func TestRelayThatDoesNotAnswer(t *testing.T) {
	p := newPlay(t, a1, b2, c3, d4)
	p.dead[3] = true
	p.until(time.Minute)
	p.wantHellos(3, 0, 1, 3)
	p.wantHellos(2, 3, 23, 43)
	p.wantRelays(1, 4, 2)
	if !p.plan.chose(nodeID(3), p.now) || p.plan.chose(nodeID(3), noon.Add(124*time.Second)) {
		t.Error("a relay may ring for two minutes from the last HELLO")
	}
	// Five minutes later it is chosen again, if another one fails.
	p.until(302 * time.Second)
	p.dead[2], p.dead[3] = true, false
	p.until(400 * time.Second)
	p.wantHellos(3, 0, 1, 3, 306, 326, 346, 366, 386)
	p.wantRelays(1, 3, 4)
}

func TestRelayThatDoesNotAnswerStaysWithoutAnother(t *testing.T) {
	p := newPlay(t, a1)
	p.until(15 * time.Second)
	p.dead[1] = true
	p.until(150 * time.Second)
	p.wantHellos(1, 0, 20, 21, 23, 43, 63, 83, 103, 123, 143)
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
	p.wantHellos(4)
	p.wantHellos(1, 0, 20, 40)
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
	p.wantHellos(1, 0, 20) // a node that changes its record back and forth gets no additional HELLOs
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
		t.Errorf("wait before the first turn: %v", wait)
	}
	p.until(9800 * time.Millisecond)
	if p.turns != 20 {
		t.Errorf("%d turns in ten seconds without neighbours, want 20", p.turns)
	}
	p.until(61 * time.Second)
	if p.turns != 32 {
		t.Errorf("%d turns in a minute without neighbours, want 32", p.turns)
	}
	p.neighbours = []*enode.Node{a1, b2, c3}
	p.until(70 * time.Second)
	p.wantRelays(1, 3, 2)
	turns := p.turns
	p.until(85 * time.Second)
	if p.turns != turns+2 { // one of them at the start of this call
		t.Errorf("%d turns in 15 s with three relays, want 2", p.turns-turns)
	}
}

func TestRelayChoicesAreACopy(t *testing.T) {
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
		{"more than two minutes after it", after, 1, 2*time.Minute + 1, false},
		{"another node", after, 2, time.Minute, false},
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
	var p relayPlan // with math/rand
	p.next(noon, []*enode.Node{a1, b2, c3}, true)
	if wait := p.wait(noon); wait > 20*time.Second || wait < 18*time.Second {
		t.Errorf("wait %v", wait)
	}
}

// TestRelayPlanHolds lets neighbours come, leave, change their records and not answer, at random. There are never more
// than three relays and no relay that says that it has a NAT; there is no busy loop; no relay receives HELLOs too
// often; and memory is bounded.
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
					t.Fatalf("seed %d, turn %d: %d received two HELLOs within %v", seed, turn, id, now.Sub(at))
				}
				last[id] = now
				if !p.chose(nodeID(id), now) {
					t.Fatalf("seed %d, turn %d: %d received HELLO, but may not ring", seed, turn, id)
				}
				if random.IntN(3) == 0 {
					p.failed(nodeID(id), now)
				} else {
					p.answered(nodeID(id), now)
				}
			}
			if len(p.chosen) > maxChosen || len(p.lastHello) > len(records) || len(p.excluded) > len(records) {
				t.Fatalf("seed %d, turn %d: %d relays, %d nodes in lastHello, %d excluded", seed, turn, len(p.chosen), len(p.lastHello), len(p.excluded))
			}
			for i, r := range p.chosen {
				if r.nat > Open || p.find(r.node.ID()) != p.chosen[i] {
					t.Fatalf("seed %d, turn %d: relay %v has NAT %v", seed, turn, r.node.ID(), r.nat)
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

package crawl

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/p2p/enode"
	"github.com/ethereum/go-ethereum/p2p/enr"

	"github.com/troupe-p2p/troupe/node/nodetest/fixture"
)

// at makes a node with a unique ID at an address. It has no key, because the plan needs none.
func at(i int, ip string) *enode.Node {
	var r enr.Record
	r.Set(enr.IPv4Addr(netip.MustParseAddr(ip)))
	r.Set(enr.TCP(30303))
	r.SetSeq(1)
	return enode.SignNull(&r, enode.ID{byte(i >> 8), byte(i), 1})
}

func newer(n *enode.Node) *enode.Node {
	r := *n.Record()
	r.SetSeq(n.Seq() + 1)
	return enode.SignNull(&r, n.ID())
}

var (
	start = time.Unix(1_800_000_000, 0)
	wide  = limits{parallel: 100, perSecond: 100, again: time.Hour, nodes: 100, perHost: 100}
)

func TestPlanVisitsEachOnce(t *testing.T) {
	p := newPlan(wide)
	n := at(1, "192.0.2.1")
	if !p.learn(n, time.Time{}, start) || p.learn(n, time.Time{}, start) {
		t.Error("want news for the first learn only")
	}
	if got, _ := p.next(start); got != n {
		t.Fatalf("got %v", got)
	}
	if got, wait := p.next(start); got != nil || wait >= 0 {
		t.Errorf("next during the visit: %v, %v", got, wait)
	}
	if !p.learn(newer(n), time.Time{}, start) {
		t.Error("a newer record is not reported as news")
	}
	end := start.Add(time.Second)
	p.done(n.ID(), true, false, end)
	p.done(n.ID(), true, false, end) // a late report of an earlier incarnation
	if got, wait := p.next(end); got != nil || wait != time.Hour {
		t.Errorf("next after the visit: %v, %v, want to wait an hour", got, wait)
	}
	if got, _ := p.next(end.Add(time.Hour)); got == nil || got.Seq() != 2 {
		t.Errorf("next an hour later: %v, want the newer record", got)
	}
}

func TestPlanResumes(t *testing.T) {
	p := newPlan(wide)
	p.learn(at(1, "192.0.2.1"), start.Add(-time.Minute), start)
	p.learn(at(2, "192.0.2.2"), start.Add(-2*time.Hour), start)
	if got, _ := p.next(start); got == nil || got.ID() != at(2, "192.0.2.2").ID() {
		t.Errorf("got %v, want the node that was visited two hours ago", got)
	}
	if got, wait := p.next(start); got != nil || wait != 59*time.Minute {
		t.Errorf("got %v, %v, want to wait 59 minutes for the other node", got, wait)
	}
}

func TestPlanLimits(t *testing.T) {
	l := wide
	l.parallel, l.perSecond = 3, 2
	p := newPlan(l)
	for i := range 10 {
		p.learn(at(i, "192.0.2.1"), time.Time{}, start)
	}
	var begun []*enode.Node
	drain := func(now time.Time) (n int, wait time.Duration) {
		for {
			node, wait := p.next(now)
			if node == nil {
				return n, wait
			}
			begun = append(begun, node)
			n++
		}
	}
	if n, wait := drain(start); n != 2 || wait != time.Second {
		t.Errorf("%d visits began, then wait %v, want 2 and a second", n, wait)
	}
	if n, wait := drain(start.Add(999 * time.Millisecond)); n != 0 || wait != time.Millisecond {
		t.Errorf("after 999 ms %d visits, wait %v, want none and a millisecond", n, wait)
	}
	if n, wait := drain(start.Add(time.Second)); n != 1 || wait >= 0 {
		t.Errorf("a second later %d visits, wait %v: want one and a negative wait, because three are in progress", n, wait)
	}
	p.done(begun[0].ID(), true, false, start.Add(time.Second))
	if n, _ := drain(start.Add(time.Second)); n != 1 {
		t.Errorf("after the end of one visit, %d visits began, want 1", n)
	}
}

func TestPlanIsBounded(t *testing.T) {
	for _, tt := range []struct {
		name string
		ip   func(i int) string
		want int
	}{
		{"one public address", func(int) string { return "192.0.2.1" }, 5},
		{"many addresses", func(i int) string { return fmt.Sprintf("192.0.2.%d", i) }, 20},
		{"loopback", func(int) string { return "127.0.0.1" }, 20},
		{"carrier-grade NAT", func(int) string { return "100.64.0.1" }, 20},
	} {
		l := wide
		l.nodes, l.perHost = 20, 5
		p := newPlan(l)
		for i := range 50 {
			p.learn(at(i, tt.ip(i)), time.Time{}, start)
		}
		if len(p.known) != tt.want || p.left != 50-tt.want {
			t.Errorf("%s: %d known and %d ignored, want %d known", tt.name, len(p.known), p.left, tt.want)
		}
	}
}

func TestPlanRestores(t *testing.T) {
	p := newPlan(wide)
	for i := range 3 {
		p.learn(at(i, "192.0.2.1"), time.Time{}, start)
		p.next(start)
	}
	p.restore(start)
	if got := p.backlog(start, 10); got != 3 || len(p.underWay) != 0 {
		t.Errorf("%d in the queue and %d in progress, want all three in the queue", got, len(p.underWay))
	}
}

func TestPlanQuiet(t *testing.T) {
	p := newPlan(wide)
	p.news = start
	if got := p.quietFor(start.Add(time.Minute)); got != time.Minute {
		t.Errorf("without nodes: quiet for %v", got)
	}
	n := at(1, "192.0.2.1")
	p.learn(n, time.Time{}, start)
	for _, step := range []struct {
		name string
		do   func()
		want time.Duration
	}{
		{"waiting for a visit", func() {}, 0},
		{"under way", func() { p.next(start) }, 0},
		{"visited", func() { p.done(n.ID(), true, false, start) }, 10 * time.Second},
	} {
		step.do()
		if got := p.quietFor(start.Add(10 * time.Second)); got != step.want {
			t.Errorf("%s: quiet for %v, want %v", step.name, got, step.want)
		}
	}
}

func TestBacklogIsCountedToALimit(t *testing.T) {
	p := newPlan(wide)
	for i := range 50 {
		p.learn(at(i, "192.0.2.1"), time.Time{}, start)
	}
	p.learn(at(99, "192.0.2.1"), start, start)
	for _, limit := range []int{0, 1, 7, 50, 100} {
		if got := p.backlog(start, limit); got != min(limit, 50) {
			t.Errorf("backlog with limit %d is %d", limit, got)
		}
	}
}

// TestPlanFollowsMoves: the address of a node without a record may change with each report
// of a remote; a node's own record is authoritative.
func TestPlanFollowsMoves(t *testing.T) {
	key := fixture.Key(t)
	v4 := func(ip string) *enode.Node {
		return enode.NewV4(&key.PublicKey, netip.MustParseAddr(ip).AsSlice(), 30303, 30303)
	}
	signed := signedNode(t, key, enr.IPv4Addr(netip.MustParseAddr("192.0.2.3")), enr.TCP(30303))
	p := newPlan(wide)
	visit := func(alive bool) {
		p.next(start)
		p.done(signed.ID(), alive, false, start)
		p.known[signed.ID()].due = start
	}
	for _, step := range []struct {
		name string
		node *enode.Node
		do   func()
		want bool
	}{
		{"new", v4("192.0.2.1"), func() {}, true},
		{"moved before the visit", v4("192.0.2.2"), func() {}, true},
		{"moved after silence", v4("192.0.2.1"), func() { visit(false) }, true},
		{"moved after an answer", v4("192.0.2.2"), func() { visit(true) }, false},
		{"its record", signed, func() {}, true},
		{"the record again", signed, func() {}, false},
		{"an address after the record", v4("192.0.2.1"), func() { visit(false) }, false},
	} {
		step.do()
		if got := p.learn(step.node, time.Time{}, start); got != step.want {
			t.Errorf("%s: news %v, want %v", step.name, got, step.want)
		}
	}
}

func TestPlanShelves(t *testing.T) {
	p := newPlan(wide)
	n := at(1, "192.0.2.1")
	if !p.shelve(n, start) || p.shelve(n, start) || !p.shelve(newer(n), start) {
		t.Error("want news for the node and its newer record")
	}
	if got, _ := p.next(start); got != nil {
		t.Errorf("%v is due for a visit, want none", got)
	}
}

// TestPlanAsksTheBusyAgain: a node that had no room is visited again soon, a limited number
// of times.
func TestPlanAsksTheBusyAgain(t *testing.T) {
	p := newPlan(wide)
	n := at(1, "192.0.2.1")
	p.learn(n, time.Time{}, start)
	now := start
	for i := range busyTries + 1 {
		if got, _ := p.next(now); got != n {
			t.Fatalf("visit %d is not due", i)
		}
		p.done(n.ID(), true, true, now)
		want := busyAgain
		if i == busyTries {
			want = wide.again
		}
		if got, wait := p.next(now); got != nil || wait != want {
			t.Errorf("next after visit %d: %v, %v, want to wait %v", i, got, wait, want)
		}
		now = now.Add(want)
	}
	if p.news != start {
		t.Errorf("a repeated visit counted as news at %v", p.news)
	}
}

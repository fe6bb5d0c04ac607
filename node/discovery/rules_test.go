package discovery

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/p2p/enode"
	"github.com/ethereum/go-ethereum/p2p/enr"
)

var noon = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

func TestRecentRemembersForItsSpan(t *testing.T) {
	r := newRecent[int](10*time.Second, 100)
	r.add(1, noon)
	for _, step := range []struct {
		after time.Duration
		want  bool
	}{{0, true}, {9 * time.Second, true}, {19 * time.Second, true}, {20 * time.Second, false}, {time.Hour, false}} {
		if got := r.has(1, noon.Add(step.after)); got != step.want {
			t.Errorf("remembered after %v: %v, want %v", step.after, got, step.want)
		}
	}
	r.add(2, noon.Add(time.Hour))
	r.add(2, noon.Add(time.Hour+9*time.Second))
	r.add(3, noon.Add(time.Hour+15*time.Second))
	if !r.has(2, noon.Add(time.Hour+19*time.Second)) {
		t.Error("forgotten within its span")
	}
	if r.has(2, noon.Add(time.Hour+40*time.Second)) {
		t.Error("a key is remembered for too long")
	}
}

func TestRecentHasABound(t *testing.T) {
	r := newRecent[int](time.Hour, 100)
	for i := range 100000 {
		r.add(i, noon)
	}
	if n := len(r.young) + len(r.old); n > 200 {
		t.Errorf("%d keys in memory, limit is twice 100", n)
	}
	if !r.has(99999-99, noon) {
		t.Error("one of the last hundred keys is forgotten")
	}
}

func TestAllowance(t *testing.T) {
	a := newAllowance(10, 5)
	count := func(at time.Time, tries int) (n int) {
		for range tries {
			if a.take(at) {
				n++
			}
		}
		return n
	}
	for _, step := range []struct {
		after       time.Duration
		tries, want int
	}{{0, 20, 5}, {100 * time.Millisecond, 20, 1}, {350 * time.Millisecond, 20, 2}, {time.Hour, 20, 5}} {
		if got := count(noon.Add(step.after), step.tries); got != step.want {
			t.Errorf("after %v: %d of %d, want %d", step.after, got, step.tries, step.want)
		}
	}
}

func TestMixTakesTurns(t *testing.T) {
	counts := map[string]*tally{"fast": {}, "slow": {}, "none": {}}
	m := mix{lanes: []*lane{newLane("fast", counts["fast"]), newLane("none", counts["none"]), newLane("slow", counts["slow"])}}
	fast, slow := m.lanes[0], m.lanes[2]
	n := enode.SignNull(new(enr.Record), enode.ID{1})
	for range 10 {
		fast.keep(n, noon)
	}
	for range 3 {
		slow.keep(n, noon)
	}
	var order []string
	for {
		_, source, ok := m.take(noon)
		if !ok {
			break
		}
		order = append(order, source)
	}
	if got, want := fmt.Sprint(order[:6]), "[fast slow fast slow fast slow]"; got != want {
		t.Errorf("order %v, want %v", got, want)
	}
	if len(order) != 13 || counts["fast"].given.Load() != 10 || counts["slow"].given.Load() != 3 {
		t.Errorf("%d nodes, of them fast %d and slow %d; want 13, 10, 3", len(order), counts["fast"].given.Load(), counts["slow"].given.Load())
	}
	fast.keep(n, noon)
	if _, _, ok := m.take(noon.Add(freshFor)); ok {
		t.Error("take returns a node that was found too long ago")
	}
}

func TestLaneSearchesWithinItsDepth(t *testing.T) {
	l := newLane("v4", &tally{})
	n := enode.SignNull(new(enr.Record), enode.ID{1})
	l.asking = 3
	searches := 0
	for range 100 {
		l.search(noon)
		select {
		case <-l.credit:
			searches++
			l.busy = false
			l.keep(n, noon)
		default:
		}
	}
	if searches != laneDepth-3 {
		t.Errorf("%d searches, want %d", searches, laneDepth-3)
	}
}

// TestLaneRests: a source that finds no new node rests, longer each time, until it finds one.
func TestLaneRests(t *testing.T) {
	l, now := newLane("v4", &tally{}), noon
	fruitless := func() time.Duration {
		for range restAfter {
			if rest := l.search(now); rest > 0 || !l.busy {
				t.Fatalf("the lane rests %v in the middle of a lookup", rest)
			}
			<-l.credit
			l.busy = false
			l.repeated(now)
		}
		rest := l.search(now)
		now = now.Add(rest)
		return rest
	}
	for i, want := range []time.Duration{1, 2, 4, 4} {
		if got := fruitless(); got != want*time.Second {
			t.Errorf("rest %d is %v, want %v s", i+1, got, int(want))
		}
	}
	l.keep(enode.SignNull(new(enr.Record), enode.ID{1}), now)
	if got := fruitless(); got != restMin {
		t.Errorf("the rest after a find is %v, want %v", got, restMin)
	}
}

func TestLedger(t *testing.T) {
	var (
		l    ledger
		a, b = actor.NewPID("here", "a"), actor.NewPID("here", "b")
	)
	if !l.ask(a, 3) || l.ask(a, 1) || !l.ask(b, 2) {
		t.Error("ask does not report exactly the first request of each receiver as new")
	}
	paid := map[string]int{}
	for i := range 4 {
		to := l.pay()
		paid[to.Id]++
		if i == 3 && (paid["a"] != 2 || paid["b"] != 2) {
			t.Errorf("the first four went to %v, want two each", paid)
		}
	}
	for to := l.pay(); to != nil; to = l.pay() {
		paid[to.Id]++
	}
	if paid["a"] != 4 || paid["b"] != 2 {
		t.Errorf("paid %v, want a 4 and b 2", paid)
	}
	l.ask(a, MaxCredit+5)
	l.ask(a, 1<<62)
	l.ask(b, 7)
	if got := l.owed(); got != MaxCredit+7 {
		t.Errorf("owed %d, want %d", got, MaxCredit+7)
	}
	l.ask(a, 0)
	if got := l.owed(); got != 7 {
		t.Errorf("owed %d after one receiver has withdrawn, want 7", got)
	}
}

func TestReach(t *testing.T) {
	for _, c := range []struct {
		bound, to string
		want      int
	}{
		{"0.0.0.0", "1.2.3.4", 2}, {"0.0.0.0", "2001:db8::1", 0},
		{"::", "1.2.3.4", 1}, {"::", "2001:db8::1", 2},
		{"127.0.0.1", "127.0.0.2", 3}, {"127.0.0.1", "1.2.3.4", 0}, {"127.0.0.1", "::1", 0},
		{"192.168.1.5", "1.2.3.4", 3}, {"192.168.1.5", "127.0.0.1", 1},
		{"2001:db8::5", "2001:db8::1", 3}, {"2001:db8::5", "1.2.3.4", 0},
	} {
		if got := reach(netip.MustParseAddr(c.bound), netip.MustParseAddr(c.to)); got != c.want {
			t.Errorf("reach from %s to %s: %d, want %d", c.bound, c.to, got, c.want)
		}
	}
	if reach(netip.Addr{}, netip.MustParseAddr("1.2.3.4")) == 0 {
		t.Error("a socket without address reaches nothing")
	}
}

func FuzzProtocolOf(f *testing.F) {
	body := []byte("the rest of a packet of discovery v4, signature and all")
	f.Add(append(crypto.Keccak256(body), body...))
	f.Add(make([]byte, minPacket))
	hasher := crypto.NewKeccakState()
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) < minPacket {
			return
		}
		v4 := string(crypto.Keccak256(data[32:])) == string(data[:32])
		if got := protocolOf(hasher, data); (got == protocolV4) != v4 {
			t.Errorf("packet %x is classified as protocol %d", data, got)
		}
	})
}

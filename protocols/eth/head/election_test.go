package head_test

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/troupe-p2p/troupe/protocols/eth/head"
	"github.com/troupe-p2p/troupe/protocols/eth/serve"
	"github.com/troupe-p2p/troupe/protocols/eth/verify"
)

func TestElection(t *testing.T) {
	on := func(branch string, to uint64) says { return says{branch: branch, to: to} }
	near := func(branch string, to uint64, network int) says {
		return says{branch: branch, to: to, network: network}
	}
	trusted := func(branch string, to uint64) says { return says{branch: branch, to: to, trusted: true} }
	for _, c := range []struct {
		name   string
		peers  []says
		rounds int
		want   string
	}{
		{"nobody", nil, 4, "none"},
		{"three say the same", []says{on("a", 110), on("a", 110), on("a", 110)}, 1, "a110"},
		{"what all three have", []says{on("a", 110), on("a", 111), on("a", 112)}, 1, "a110"},
		{"two networks", []says{on("a", 110), on("a", 110)}, 4, "none"},
		{"three peers in two networks", []says{on("a", 110), near("a", 110, 7), near("a", 110, 7)}, 4, "none"},
		{"a hundred in one network", slices.Repeat([]says{near("a", 110, 7)}, 100), 8, "none"},
		{"one of three does not answer", []says{on("a", 110), on("a", 110), {branch: "a", to: 110, silent: true}}, 4, "none"},
		{"over several slots", []says{on("a", 110), {branch: "a", to: 110, silent: true}, on("a", 110), on("a", 110)}, 2, "a110"},
		{"the majority of six", []says{on("a", 110), on("b", 110), on("a", 110), on("b", 110), on("a", 110), on("a", 110)}, 2, "a110"},
		{"a longer branch of a minority", []says{on("a", 110), on("b", 120), on("a", 110), on("b", 120), on("a", 110), on("b", 120), on("a", 110)}, 3, "a110"},
		{"three make up what comes next", []says{on("a", 110), on("f", 140), on("a", 110), on("f", 140), on("a", 110), on("f", 140), on("a", 110)}, 3, "a110"},
		{"a tie", []says{on("a", 110), on("b", 110), on("a", 110), on("b", 110), on("a", 110), on("b", 110)}, 6, "a100"},
		{"one trusted", []says{trusted("a", 110)}, 1, "a110"},
		{"a trusted one is contradicted", []says{trusted("a", 110), on("b", 120), on("b", 120), on("b", 120)}, 2, "a110"},
		{"peers are ahead of a trusted one", []says{trusted("a", 110), on("a", 115), on("a", 115), on("a", 115)}, 2, "a115"},
		{"a trusted one is ahead", []says{trusted("a", 115), on("a", 110), on("a", 110), on("a", 110)}, 2, "a115"},
		{"some sync", []says{on("a", 10), on("a", 200), on("a", 20), on("a", 200), on("a", 200), on("a", 30), on("a", 200)}, 2, "a200"},
		{"one lies about its height", []says{{branch: "z", to: height, silent: true}, on("a", 110), on("a", 110), on("a", 110)}, 2, "a110"},
	} {
		w := newWorld(c.peers...)
		var d head.Decision
		for range c.rounds {
			d = w.round()
		}
		if got := name(d.Head); got != c.want {
			t.Errorf("%s: head %s, want %s", c.name, got, c.want)
		}
	}
}

// TestFollowing: the head follows the peers, and each decision has the headers that are new, each
// the parent of the next.
func TestFollowing(t *testing.T) {
	w := newWorld(slices.Repeat([]says{{branch: "a"}}, 10)...)
	last := uint64(0)
	for n := uint64(100); n < 200; n++ {
		for i := range w.peers {
			w.peers[i].to = n
			w.e.Update(id(i), n-n%32, branches["a"][n].Hash)
		}
		d := w.round()
		if name(d.Head) != fmt.Sprint("a", n) {
			t.Fatalf("head %s, want %d", name(d.Head), n)
		}
		if d.Left != nil || d.By != "peers" {
			t.Errorf("left %s, by %s", name(d.Left), d.By)
		}
		if len(d.Branch) == 0 || last > 0 && d.Branch[0].Number > last+1 || d.Branch[len(d.Branch)-1].Hash != d.Head.Hash {
			t.Fatalf("branch %s to %s", name(&d.Branch[0]), name(d.Head))
		}
		last = n
		if len(w.asked) != 3 {
			t.Errorf("asked %v", w.asked)
		}
	}
	if d := w.round(); name(d.Head) != "a199" || len(d.Branch) != 0 {
		t.Errorf("nothing new: %s, %d headers", name(d.Head), len(d.Branch))
	}
}

// TestTurns: within a few slots all networks are asked, whatever their number, and in one slot no
// network twice.
func TestTurns(t *testing.T) {
	var peers []says
	for i := range 12 {
		peers = append(peers, says{branch: "a", to: 110, network: 1 + i/2})
	}
	w := newWorld(peers...)
	times := map[int]int{}
	for range 8 {
		w.round()
		in := map[int]bool{}
		for _, i := range w.asked {
			times[i]++
			if in[i/2] {
				t.Errorf("asked %v in one slot", w.asked)
			}
			in[i/2] = true
		}
	}
	for i := range peers {
		if times[i] != 2 {
			t.Errorf("peer %d was asked %d times of 24", i, times[i])
		}
	}
	if q := w.e.Ask(w.now.Add(-slot)); len(q) != 0 {
		t.Errorf("asked again within a slot: %v", q)
	}
}

// TestLaggards: peers that say that they are far behind the others are not asked.
func TestLaggards(t *testing.T) {
	w := newWorld(says{branch: "a", to: 10}, says{branch: "a", to: 200}, says{branch: "a", to: 137}, says{branch: "a", to: 200},
		says{branch: "a", to: 201}, says{branch: "a", to: 30}, says{branch: "a", to: 200})
	for range 8 {
		w.round()
		if slices.Contains(w.asked, 0) || slices.Contains(w.asked, 5) {
			t.Errorf("asked %v", w.asked)
		}
	}
}

// TestOneVote: of two peers in one network what was said last counts.
func TestOneVote(t *testing.T) {
	e := head.New(slot)
	q := serve.HeadersQuery{Origin: serve.Origin{Number: 100}, Amount: 60}
	for i, p := range []says{{"a", 110, 7, false, false}, {"b", 110, 7, false, false}, {"a", 110, 1, false, false}, {"a", 110, 2, false, false}} {
		e.Join(head.Peer{ID: id(i), Addr: address(p.network)})
		e.Answer(began, id(i), q, p.answer(q))
	}
	if d := e.Decide(began); name(d.Head) != "a100" {
		t.Errorf("head %s", name(d.Head))
	}
}

// TestReorg: most leave a branch, and so does the node, however deep that is.
func TestReorg(t *testing.T) {
	for _, c := range []struct{ from, to string }{{"a", "b"}, {"a", "c"}, {"b", "c"}} {
		w := newWorld(slices.Repeat([]says{{branch: c.from, to: 150}}, 9)...)
		for range 3 {
			w.round()
		}
		for i := range w.peers {
			w.peers[i] = says{branch: c.to, to: 151}
			w.e.Update(id(i), 151, branches[c.to][151].Hash)
		}
		var left *verify.Header
		var d head.Decision
		for range 12 {
			if d = w.round(); d.Left != nil {
				left = d.Left
			}
		}
		if name(d.Head) != c.to+"151" || name(left) != c.from+"150" {
			t.Errorf("%v: head %s, left %s", c, name(d.Head), name(left))
		}
	}
}

// TestLowerBranch: what most contradict is left, also for a lower block.
func TestLowerBranch(t *testing.T) {
	w := newWorld(slices.Repeat([]says{{branch: "f", to: 150}}, 3)...)
	if d := w.round(); name(d.Head) != "f150" {
		t.Fatalf("head %s", name(d.Head))
	}
	for i := range 7 {
		p := says{branch: "a", to: 120}
		w.peers = append(w.peers, p)
		w.join(3+i, p)
	}
	var d head.Decision
	var left string
	for range 8 {
		if d = w.round(); d.Left != nil {
			left = name(d.Left)
		}
	}
	if name(d.Head) != "a120" || left != "f150" {
		t.Errorf("head %s, left %s", name(d.Head), left)
	}
}

// TestMadeUpFarAhead: three have made up a head that all others have never heard of.
func TestMadeUpFarAhead(t *testing.T) {
	w := newWorld(slices.Repeat([]says{{branch: "z", to: height}}, 3)...)
	if d := w.round(); name(d.Head) != "z300" {
		t.Fatalf("head %s", name(d.Head))
	}
	for i := range 12 {
		p := says{branch: "a", to: 20}
		w.peers = append(w.peers, p)
		w.join(3+i, p)
	}
	var d head.Decision
	for range 12 {
		d = w.round()
	}
	if name(d.Head) != "a20" {
		t.Errorf("head %s", name(d.Head))
	}
}

// TestFew cannot make the node leave its head: two networks contradict a head that a trusted peer
// has set before it left.
func TestFew(t *testing.T) {
	w := newWorld(says{branch: "a", to: 110, trusted: true})
	if d := w.round(); name(d.Head) != "a110" || d.By != "trusted peer" {
		t.Fatalf("head %s by %s", name(d.Head), d.By)
	}
	w.e.Leave(id(0))
	for i := range 2 {
		p := says{branch: "b", to: 120}
		w.peers = append(w.peers, p)
		w.join(1+i, p)
	}
	for range 10 {
		if d := w.round(); name(d.Head) != "a110" {
			t.Fatalf("head %s", name(d.Head))
		}
	}
}

// TestTrustChanges: what a peer has said by itself counts only while it is trusted.
func TestTrustChanges(t *testing.T) {
	w := newWorld(says{branch: "a", to: 110})
	for _, c := range []struct {
		trusted bool
		to      uint64
		want    string
	}{{false, 110, "none"}, {true, 110, "a110"}, {true, 112, "a112"}, {false, 115, "a112"}} {
		w.e.SetTrusted(id(0), c.trusted)
		w.peers[0].to = c.to
		w.e.Update(id(0), c.to, branches["a"][c.to].Hash)
		if d := w.round(); name(d.Head) != c.want {
			t.Errorf("trusted is %v: head %s, want %s", c.trusted, name(d.Head), c.want)
		}
	}
	w.e.SetTrusted(id(1), true) // there is no such peer
}

// TestSources: files and an execution node set a head; the highest counts.
func TestSources(t *testing.T) {
	w := newWorld()
	w.e.Set("files", branches["a"][90:91])
	if d := w.round(); name(d.Head) != "a90" || d.By != "files" || len(d.Branch) != 1 {
		t.Errorf("head %s by %s", name(d.Head), d.By)
	}
	w.e.Set("rpc", branches["a"][100:111])
	if d := w.round(); name(d.Head) != "a110" || d.By != "rpc" || d.Left != nil {
		t.Errorf("head %s by %s, left %s", name(d.Head), d.By, name(d.Left))
	}
	w.e.Set("rpc", branches["c"][108:111])
	if d := w.round(); name(d.Head) != "c110" || name(d.Left) != "a110" {
		t.Errorf("head %s, left %s", name(d.Head), name(d.Left))
	}
	w.e.Set("rpc", nil)
	if d := w.round(); name(d.Head) != "c110" {
		t.Errorf("without the execution node: head %s", name(d.Head))
	}
	for i := range 3 {
		p := says{branch: "c", to: 120}
		w.peers = append(w.peers, p)
		w.join(i, p)
	}
	if d := w.round(); name(d.Head) != "c120" || d.By != "peers" {
		t.Errorf("head %s by %s", name(d.Head), d.By)
	}
}

// TestFuture: headers from the future do not count.
func TestFuture(t *testing.T) {
	w := newWorld(slices.Repeat([]says{{branch: "a", to: 110}}, 3)...)
	for i := range w.peers {
		w.e.Update(id(i), 100, branches["a"][100].Hash)
	}
	w.now = time.Unix(int64(branches["a"][105].Fields.Time)-15, 0)
	if d := w.round(); name(d.Head) != "a105" {
		t.Errorf("head %s, want that of 15 seconds ahead", name(d.Head))
	}
}

// TestOldClaims: what was said some slots ago does not count, and peers that are gone do not stay.
func TestOldClaims(t *testing.T) {
	w := newWorld(says{branch: "a", to: 110}, says{branch: "a", to: 110})
	w.round()
	w.e.Leave(id(0))
	w.e.Leave(id(1))
	p := says{branch: "a", to: 110}
	w.peers = append(w.peers, p, p)
	w.now = w.now.Add(4 * slot)
	w.join(2, p)
	w.join(3, p)
	if d := w.round(); d.Head != nil {
		t.Errorf("head %s by two networks", name(d.Head))
	}
}

// TestEth68: a status of eth/68 has no number. The head that it names says it.
func TestEth68(t *testing.T) {
	w := &world{e: head.New(slot), now: began, peers: slices.Repeat([]says{{branch: "a", to: 110}}, 3)}
	for i := range w.peers {
		w.e.Join(head.Peer{ID: id(i), Addr: address(i), Head: branches["a"][110].Hash})
	}
	if d := w.round(); name(d.Head) != "a110" {
		t.Errorf("head %s", name(d.Head))
	}
	for i := range w.peers {
		w.peers[i].to = 115
	}
	if d := w.round(); name(d.Head) != "a115" {
		t.Errorf("head %s", name(d.Head))
	}
}

func TestNetwork(t *testing.T) {
	for _, c := range []struct {
		a, b string
		same bool
	}{
		{"192.0.2.1", "192.0.2.254", true},
		{"192.0.2.1", "192.0.3.1", false},
		{"::ffff:192.0.2.1", "192.0.2.9", true},
		{"2001:db8:1::1", "2001:db8:1:ffff::1", true},
		{"2001:db8:1::1", "2001:db8:2::1", false},
		{"127.0.0.1", "127.9.9.9", true},
		{"127.0.0.1", "::1", true},
		{"fe80::1%eth0", "fe80::2%eth1", true},
	} {
		a, b := head.Network(netip.MustParseAddr(c.a)), head.Network(netip.MustParseAddr(c.b))
		if (a == b) != c.same {
			t.Errorf("%s is in %v, %s in %v", c.a, a, c.b, b)
		}
	}
	if got := head.Network(netip.Addr{}); got != (netip.Prefix{}) {
		t.Errorf("an invalid address is in %v", got)
	}
}

// TestStaleSource: the head of a source that may be behind counts, and peers get past it, also on
// another branch, which they do not while the source is not stale.
func TestStaleSource(t *testing.T) {
	peers := slices.Repeat([]says{{branch: "a", to: 120}}, 3)
	for _, c := range []struct {
		name  string
		peers []says
		set   func(*head.Election)
		want  string
	}{
		{"alone", nil, func(e *head.Election) { e.SetStale("rpc", branches["c"][100:111]) }, "c110"},
		{"peers are on another branch", peers, func(e *head.Election) { e.SetStale("rpc", branches["c"][100:111]) }, "a120"},
		{"and it is not stale", peers, func(e *head.Election) { e.Set("rpc", branches["c"][100:111]) }, "c110"},
		{"it was", peers, func(e *head.Election) {
			e.SetStale("rpc", branches["c"][100:111])
			e.Set("rpc", branches["c"][100:111])
		}, "c110"},
		{"peers are ahead", slices.Repeat([]says{{branch: "c", to: 120}}, 3), func(e *head.Election) { e.SetStale("rpc", branches["c"][100:111]) }, "c120"},
		{"it is gone", peers, func(e *head.Election) {
			e.SetStale("rpc", branches["c"][100:111])
			e.SetStale("rpc", nil)
		}, "a120"},
	} {
		w := newWorld(c.peers...)
		w.e.Set("rpc", branches["c"][100:111])
		w.round() // it is the head
		c.set(w.e)
		var d head.Decision
		for range 4 {
			d = w.round()
		}
		if got := name(d.Head); got != c.want {
			t.Errorf("%s: head %s, want %s", c.name, got, c.want)
		}
	}
}

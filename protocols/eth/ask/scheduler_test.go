package ask_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/troupe-p2p/troupe/protocols/eth/ask"
	"github.com/troupe-p2p/troupe/protocols/eth/chain"
	"github.com/troupe-p2p/troupe/protocols/eth/serve"
)

// TestAll delivers each kind, with one peer and with many.
func TestAll(t *testing.T) {
	for _, peers := range []int{1, 2, 20} {
		w := newWorld(t, ask.Config{}, slices.Repeat([]*remote{quick()}, peers)...)
		var ids []ask.WantID
		for _, k := range []ask.Kind{ask.Bodies, ask.Receipts, ask.AccessLists} {
			ids = append(ids, w.add(ask.Want{Asker: "a", Kind: k, Blocks: blocks(1, 3000)}))
		}
		headers := w.add(ask.Want{Asker: "a", Kind: ask.Headers, Query: headersFrom(1, 192)})
		w.run(time.Hour)
		for _, id := range ids {
			w.wantDone(id, 3000)
		}
		w.wantDone(headers, 192)
		if took := w.now.Sub(began); took != time.Hour {
			t.Errorf("%d peers: the world stopped after %v", peers, took)
		}
	}
}

// TestTimeoutGoesToAnother: what a peer does not answer is asked of another one, and an answer
// that comes late is no fault.
func TestTimeoutGoesToAnother(t *testing.T) {
	slow, fine := &remote{latency: 30 * time.Second}, quick()
	w := newWorld(t, ask.Config{}, slow)
	id := w.add(ask.Want{Asker: "a", Kind: ask.Bodies, Blocks: blocks(1, 10)})
	w.run(16 * time.Second) // the first time-out
	w.remotes[enode.ID{9}] = fine
	w.do(w.s.Join(w.now, ask.Peer{ID: enode.ID{9}, Version: 69}))
	w.run(time.Minute)
	w.wantDone(id, 10)
	if slow.asked == 0 || fine.asked == 0 {
		t.Errorf("asked %d and %d times", slow.asked, fine.asked)
	}
}

// TestBug15UnansweredOnce: a peer that has left one request without answer, or lacked a block, is
// asked again later (bor #2367).
func TestBug15UnansweredOnce(t *testing.T) {
	p := &remote{latency: 50 * time.Millisecond, silent: true}
	w := newWorld(t, ask.Config{}, p)
	id := w.add(ask.Want{Asker: "a", Kind: ask.Bodies, Blocks: blocks(1, 1)})
	w.run(15 * time.Second)
	if p.asked != 1 {
		t.Fatalf("asked %d times within the time-out", p.asked)
	}
	p.silent = false
	w.run(3 * time.Second)
	w.wantDone(id, 1)

	p.lacks = func(ask.Block) bool { return true }
	id = w.add(ask.Want{Asker: "a", Kind: ask.Bodies, Blocks: blocks(1, 1)})
	w.run(3 * time.Second)
	p.lacks = nil
	if _, over := w.finished[id]; over || p.asked != 3 {
		t.Fatalf("over %v, asked %d times", over, p.asked)
	}
	w.run(3 * time.Second)
	w.wantDone(id, 1)
}

// TestBug15OneHash: after trouble requests grow again. go-ethereum once asked for one hash at a
// time for good (go-ethereum #22175).
func TestBug15OneHash(t *testing.T) {
	p := &remote{latency: 50 * time.Millisecond, rate: 1000, silent: true}
	w := newWorld(t, ask.Config{}, p)
	id := w.add(ask.Want{Asker: "a", Kind: ask.Bodies, Blocks: blocks(1, 2000), Deadline: began.Add(time.Hour)})
	w.run(40 * time.Second) // time-outs
	p.silent = false
	before := p.asked
	w.run(5 * time.Minute)
	w.wantDone(id, 2000)
	if asked := p.asked - before; asked > 20 {
		t.Errorf("%d requests for 2000 blocks: %v", asked, p.sizes)
	}
}

// TestBug17EmptyAnswers: empty answers are no fault, however many (besu #10056), and do not make a
// flood of requests.
func TestBug17EmptyAnswers(t *testing.T) {
	none := &remote{latency: 50 * time.Millisecond, lacks: func(ask.Block) bool { return true }}
	w := newWorld(t, ask.Config{}, none, quick())
	id := w.add(ask.Want{Asker: "a", Kind: ask.Receipts, Blocks: blocks(1, 1000)})
	w.run(10 * time.Minute)
	w.wantDone(id, 1000)

	w = newWorld(t, ask.Config{}, none, none)
	none.asked = 0
	id = w.add(ask.Want{Asker: "a", Kind: ask.Receipts, Blocks: blocks(1, 3), Deadline: began.Add(10 * time.Minute)})
	w.run(time.Hour)
	if len(w.closed) != 0 {
		t.Errorf("closed: %v", w.closed)
	}
	if f := w.finished[id]; !errors.Is(f.Cause, ask.ErrLacking) || len(f.Missing) != 3 {
		t.Errorf("finished: %+v", f)
	}
	if none.asked < 20 || none.asked > 100 {
		t.Errorf("two peers that have none of three blocks were asked %d times in ten minutes", none.asked)
	}
}

// TestSilentPeer: a peer that answers nothing for minutes is closed, the others are not.
func TestSilentPeer(t *testing.T) {
	silent, fine := &remote{silent: true}, quick()
	w := newWorld(t, ask.Config{}, silent, fine)
	for n := range uint64(600) {
		w.add(ask.Want{Asker: "a", Kind: ask.Bodies, Blocks: blocks(100*n, 100*n+50)})
		w.run(time.Second)
	}
	if len(w.closed) != 1 || !errors.Is(w.closed[id(0)], ask.ErrSilent) {
		t.Errorf("closed: %v", w.closed)
	}
	if silent.asked > 12 {
		t.Errorf("asked %d times", silent.asked)
	}
}

// TestFlakyPeer: a peer that answers some requests is not closed, and one answer ends its rests.
func TestFlakyPeer(t *testing.T) {
	p := quick()
	p.every = 3
	w := newWorld(t, ask.Config{}, p)
	for n := range uint64(120) {
		w.add(ask.Want{Asker: "a", Kind: ask.Bodies, Blocks: blocks(100*n, 100*n)})
		w.run(10 * time.Second)
	}
	if len(w.closed) != 0 {
		t.Errorf("closed: %v", w.closed)
	}
	// Two time-outs of 5 s and rests of 2 and 4 s for each request that is answered.
	if p.asked < 150 {
		t.Errorf("asked %d times in 20 minutes", p.asked)
	}
}

// TestShrinking: when less fits in a message, requests get smaller at once.
func TestShrinking(t *testing.T) {
	p := quick()
	w := newWorld(t, ask.Config{}, p)
	w.add(ask.Want{Asker: "a", Kind: ask.Bodies, Blocks: blocks(1, 16000)})
	w.run(4 * time.Second)
	p.most = 10
	w.run(4 * time.Second)
	if last := p.sizes[len(p.sizes)-1]; last > 20 {
		t.Errorf("%d blocks at once, of which 10 fit: %v", last, p.sizes)
	}
}

// TestFaults: each has its own cause.
func TestFaults(t *testing.T) {
	wrong := errors.New("receipts root")
	for _, c := range []struct {
		name string
		do   func(s *ask.Scheduler, r ask.Request) []ask.Action
		want error
	}{
		{"an unknown ID", func(s *ask.Scheduler, r ask.Request) []ask.Action {
			_, _, a := s.Arrived(began, id(0), r.ID+1, ask.Bodies, 0)
			return a
		}, ask.ErrUnasked},
		{"another kind", func(s *ask.Scheduler, r ask.Request) []ask.Action {
			_, _, a := s.Arrived(began, id(0), r.ID, ask.Receipts, 0)
			return a
		}, ask.ErrWrongKind},
		{"too many", func(s *ask.Scheduler, r ask.Request) []ask.Action {
			_, _, a := s.Arrived(began, id(0), r.ID, ask.Bodies, len(r.Blocks)+1)
			return a
		}, ask.ErrTooMany},
		{"twice", func(s *ask.Scheduler, r ask.Request) []ask.Action {
			if _, ok, a := s.Arrived(began, id(0), r.ID, ask.Bodies, 1); !ok || len(a) != 0 {
				panic(a)
			}
			_, _, a := s.Arrived(began, id(0), r.ID, ask.Bodies, 1)
			return a
		}, ask.ErrUnasked},
		{"a wrong one", func(s *ask.Scheduler, r ask.Request) []ask.Action {
			s.Arrived(began, id(0), r.ID, ask.Bodies, 1)
			return s.Done(began, r.ID, ask.Result{Err: wrong})
		}, wrong},
	} {
		s := ask.New(ask.Config{})
		s.Join(began, ask.Peer{ID: id(0), Version: 69})
		_, actions, err := s.Add(began, ask.Want{Kind: ask.Bodies, Blocks: blocks(1, 5)})
		if err != nil || len(actions) != 1 {
			t.Fatalf("%v, %v", actions, err)
		}
		actions = c.do(s, actions[0].(ask.Ask).Request)
		if len(actions) != 1 {
			t.Errorf("%s: %v", c.name, actions)
			continue
		}
		if closed, ok := actions[0].(ask.Close); !ok || closed.Peer != id(0) || !errors.Is(closed.Cause, c.want) {
			t.Errorf("%s: %v, want %v", c.name, actions, c.want)
		}
		// What it was asked for is asked of the next one.
		if actions = s.Join(began, ask.Peer{ID: id(1), Version: 69}); len(actions) != 1 || len(actions[0].(ask.Ask).Request.Blocks) != 5 {
			t.Errorf("%s: then %v", c.name, actions)
		}
	}
}

// TestAnotherPeersRequest: a peer answers with the ID of another one's request.
func TestAnotherPeersRequest(t *testing.T) {
	s := ask.New(ask.Config{})
	s.Join(began, ask.Peer{ID: id(0), Version: 69})
	_, actions, err := s.Add(began, ask.Want{Kind: ask.Bodies, Blocks: blocks(1, 5)})
	if err != nil {
		t.Fatal(err)
	}
	request := actions[0].(ask.Ask).Request
	s.Join(began, ask.Peer{ID: id(1), Version: 69})
	_, ok, actions := s.Arrived(began, id(1), request.ID, ask.Bodies, 5)
	if c, is := actions[0].(ask.Close); ok || !is || c.Peer != id(1) || !errors.Is(c.Cause, ask.ErrUnasked) {
		t.Errorf("%v, %v", ok, actions)
	}
	if _, ok, _ = s.Arrived(began, id(0), request.ID, ask.Bodies, 5); !ok {
		t.Error("the answer of the one that was asked does not count")
	}
}

// TestShares: askers get equal shares of the peers' time, whatever they want, and one that comes
// late need not wait for what others want.
func TestShares(t *testing.T) {
	slow := func() *remote { return &remote{latency: 50 * time.Millisecond, rate: 100} }
	w := newWorld(t, ask.Config{Queue: 30000}, slow(), slow(), slow(), slow())
	far := began.Add(time.Hour)
	many := w.add(ask.Want{Asker: "sync", Kind: ask.Bodies, Blocks: blocks(1, 8000), Deadline: far})
	var few []ask.WantID
	for n := range uint64(40) {
		few = append(few, w.add(ask.Want{Asker: "fill", Kind: ask.Bodies, Blocks: blocks(20000+200*n, 20199+200*n), Deadline: far}))
	}
	share := func() (spent time.Duration) {
		for _, id := range few {
			spent += w.spent[id]
		}
		return spent
	}
	w.run(10 * time.Second)
	if ratio := float64(share()) / float64(w.spent[many]); ratio < 0.7 || ratio > 1.4 {
		t.Errorf("shares: %v and %v", share(), w.spent[many])
	}
	before := share() + w.spent[many]
	late := w.add(ask.Want{Asker: "late", Kind: ask.Bodies, Blocks: blocks(40000, 44000), Deadline: far})
	w.run(10 * time.Second)
	if all := share() + w.spent[many] - before; w.spent[late] < all/4 || w.spent[late] > all {
		t.Errorf("one that came late had %v, the others %v", w.spent[late], all)
	}
	head := w.add(ask.Want{Asker: "window", Kind: ask.Bodies, Blocks: blocks(30000, 30000), Deadline: far})
	w.run(3 * time.Second)
	w.wantDone(head, 1)
}

// TestBatchesFollowThroughput: requests keep a peer busy for about a second.
func TestBatchesFollowThroughput(t *testing.T) {
	for _, c := range []struct {
		name     string
		remote   remote
		from, to int // size of the last requests
	}{
		{"fast", remote{latency: 50 * time.Millisecond, rate: 10000}, 256, 256},
		{"100 a second", remote{latency: 50 * time.Millisecond, rate: 100}, 90, 130},
		{"10 a second", remote{latency: 50 * time.Millisecond, rate: 10}, 8, 26},
		{"far away", remote{latency: 2 * time.Second, rate: 1000}, 128, 256},
		{"slower than the first request", remote{latency: 50 * time.Millisecond, rate: 0.5}, 1, 1},
		{"30 in a message", remote{latency: 50 * time.Millisecond, rate: 1000, most: 30}, 30, 60},
	} {
		w := newWorld(t, ask.Config{}, &c.remote)
		w.add(ask.Want{Asker: "a", Kind: ask.Bodies, Blocks: blocks(1, 16000), Deadline: began.Add(24 * time.Hour)})
		w.run(2 * time.Minute)
		last := c.remote.sizes[len(c.remote.sizes)-1]
		if len(c.remote.sizes) > 55 {
			last = c.remote.sizes[50]
		}
		if last < c.from || last > c.to {
			t.Errorf("%s: %d blocks at once, want %d to %d: %v", c.name, last, c.from, c.to, c.remote.sizes)
		}
		if len(w.closed) != 0 {
			t.Errorf("%s: closed %v", c.name, w.closed)
		}
	}
}

// TestFastPeersGetMore: of two peers the faster one delivers most.
func TestFastPeersGetMore(t *testing.T) {
	slow := &remote{latency: 400 * time.Millisecond, rate: 20}
	fast := &remote{latency: 20 * time.Millisecond, rate: 2000}
	w := newWorld(t, ask.Config{}, slow, fast)
	id := w.add(ask.Want{Asker: "a", Kind: ask.Bodies, Blocks: blocks(1, 10000)})
	w.run(time.Hour)
	w.wantDone(id, 10000)
	total := 0
	for _, n := range slow.sizes {
		total += n
	}
	if total > 1000 {
		t.Errorf("the slow one was asked for %d of 10000", total)
	}
}

func TestRanges(t *testing.T) {
	r := func(earliest, latest uint64) *chain.Range {
		return &chain.Range{Earliest: earliest, Latest: latest, LatestHash: hash(latest)}
	}
	byHash := serve.HeadersQuery{Origin: serve.Origin{Hash: hash(7)}, Amount: 1}
	for _, c := range []struct {
		name    string
		rng     *chain.Range
		version uint
		want    ask.Want
		asked   []ask.Block // nil: headers, or none
		any     bool
	}{
		{"within", r(100, 200), 69, ask.Want{Kind: ask.Bodies, Blocks: blocks(150, 151)}, blocks(150, 151), true},
		{"pruned", r(100, 200), 69, ask.Want{Kind: ask.Bodies, Blocks: blocks(98, 99)}, nil, false},
		{"partly pruned", r(100, 200), 69, ask.Want{Kind: ask.Bodies, Blocks: blocks(98, 101)}, blocks(100, 101), true},
		{"headers of pruned blocks", r(100, 200), 69, ask.Want{Kind: ask.Headers, Query: headersFrom(50, 5)}, nil, true},
		{"a little ahead", r(100, 200), 69, ask.Want{Kind: ask.Bodies, Blocks: blocks(264, 265)}, blocks(264, 264), true},
		{"far ahead", r(100, 200), 69, ask.Want{Kind: ask.Headers, Query: headersFrom(265, 1)}, nil, false},
		{"by hash", r(100, 200), 69, ask.Want{Kind: ask.Headers, Query: byHash}, nil, true},
		{"by hash, far ahead", r(100, 200), 69, ask.Want{Kind: ask.Headers, Query: byHash, Number: 1000}, nil, false},
		{"not known", nil, 68, ask.Want{Kind: ask.Bodies, Blocks: blocks(1, 1)}, blocks(1, 1), true},
		{"access lists", nil, 71, ask.Want{Kind: ask.AccessLists, Blocks: blocks(1, 1)}, blocks(1, 1), true},
		{"access lists before eth/71", nil, 70, ask.Want{Kind: ask.AccessLists, Blocks: blocks(1, 1)}, nil, false},
		{"the end of the numbers", r(0, 1<<64-1), 69, ask.Want{Kind: ask.Bodies, Blocks: blocks(1<<63, 1<<63)}, blocks(1<<63, 1<<63), true},
	} {
		s := ask.New(ask.Config{})
		s.Join(began, ask.Peer{ID: id(0), Version: c.version, Range: c.rng})
		_, actions, err := s.Add(began, c.want)
		if err != nil {
			t.Fatal(err)
		}
		if (len(actions) == 1) != c.any {
			t.Errorf("%s: %v", c.name, actions)
			continue
		}
		if c.any && !slices.Equal(actions[0].(ask.Ask).Request.Blocks, c.asked) {
			t.Errorf("%s: asked for %v", c.name, actions)
		}
	}
	s := ask.New(ask.Config{})
	s.Join(began, ask.Peer{ID: id(0), Version: 69, Range: r(0, 10)})
	if _, actions, err := s.Add(began, ask.Want{Kind: ask.Bodies, Blocks: blocks(500, 500)}); err != nil || len(actions) != 0 {
		t.Errorf("%v, %v", actions, err)
	}
	if actions := s.SetRange(began, id(0), *r(0, 500)); len(actions) != 1 {
		t.Errorf("after an update: %v", actions)
	}
}

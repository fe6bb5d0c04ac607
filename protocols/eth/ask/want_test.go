package ask_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/troupe-p2p/troupe/protocols/eth/ask"
)

// TestWants: what cannot be, and what is too much, is refused.
func TestWants(t *testing.T) {
	s := ask.New(ask.Config{Queue: 11, Wants: 3})
	other := id(5)
	for _, c := range []struct {
		name string
		want ask.Want
		err  error
	}{
		{"of no kind", ask.Want{Kind: 9, Blocks: blocks(1, 1)}, ask.ErrWant},
		{"no blocks", ask.Want{Kind: ask.Bodies}, ask.ErrWant},
		{"headers by blocks", ask.Want{Kind: ask.Headers, Blocks: blocks(1, 1)}, ask.ErrWant},
		{"no headers", ask.Want{Kind: ask.Headers}, ask.ErrWant},
		{"of a peer that is not there", ask.Want{Kind: ask.Bodies, Blocks: blocks(1, 1), Only: &other}, ask.ErrNoPeer},
		{"12 of 11", ask.Want{Kind: ask.Bodies, Blocks: blocks(1, 12)}, ask.ErrFull},
		{"8 of 11", ask.Want{Kind: ask.Bodies, Blocks: blocks(1, 8)}, nil},
		{"4 of 3", ask.Want{Kind: ask.Bodies, Blocks: blocks(1, 4)}, ask.ErrFull},
		{"a query", ask.Want{Kind: ask.Headers, Query: headersFrom(1, 1000)}, nil},
		{"another", ask.Want{Kind: ask.Headers, Query: headersFrom(1, 1000)}, nil},
		{"a fourth", ask.Want{Kind: ask.Headers, Query: headersFrom(1, 1000)}, ask.ErrFull},
	} {
		if _, _, err := s.Add(began, c.want); !errors.Is(err, c.err) {
			t.Errorf("%s: %v, want %v", c.name, err, c.err)
		}
	}
	s.Cancel(began, 1)
	if _, _, err := s.Add(began, ask.Want{Kind: ask.Bodies, Blocks: blocks(1, 8)}); err != nil {
		t.Errorf("after one was cancelled: %v", err)
	}
}

// TestGivingUp: by tries, by the deadline, without peers, and with the one peer.
func TestGivingUp(t *testing.T) {
	lacking := func() *remote {
		return &remote{latency: time.Millisecond, lacks: func(b ask.Block) bool { return b.Number == 2 }}
	}
	only := id(0)
	for _, c := range []struct {
		name    string
		remotes []*remote
		want    ask.Want
		cause   error
		missing []ask.Block
		after   time.Duration // at most
		asked   int
	}{
		{"tries", []*remote{lacking(), lacking()}, ask.Want{Kind: ask.Bodies, Blocks: blocks(1, 3), Tries: 2}, ask.ErrLacking, blocks(2, 2), time.Second, 0},
		{"tries of one peer", []*remote{lacking()}, ask.Want{Kind: ask.Bodies, Blocks: blocks(2, 2), Tries: 2}, ask.ErrLacking, blocks(2, 2), 6 * time.Second, 2},
		{"time-outs", []*remote{{silent: true}}, ask.Want{Kind: ask.Bodies, Blocks: blocks(1, 3), Tries: 1}, ask.ErrTimeout, blocks(1, 3), 16 * time.Second, 1},
		{"the deadline", []*remote{lacking()}, ask.Want{Kind: ask.Bodies, Blocks: blocks(1, 3), Deadline: began.Add(time.Minute)}, ask.ErrLacking, blocks(2, 2), time.Minute, 0},
		{"patience", nil, ask.Want{Kind: ask.Bodies, Blocks: blocks(1, 3)}, ask.ErrNoPeer, blocks(1, 3), 5 * time.Minute, 0},
		{"headers", nil, ask.Want{Kind: ask.Headers, Query: headersFrom(1, 3)}, ask.ErrNoPeer, nil, 5 * time.Minute, 0},
		{"headers that a peer lacks", []*remote{lacking()}, ask.Want{Kind: ask.Headers, Query: headersFrom(2, 3), Tries: 1}, ask.ErrLacking, nil, time.Second, 1},
		{"the one peer", []*remote{lacking(), quick()}, ask.Want{Kind: ask.Bodies, Blocks: blocks(2, 2), Tries: 1, Only: &only}, ask.ErrLacking, blocks(2, 2), time.Second, 1},
	} {
		w := newWorld(t, ask.Config{}, c.remotes...)
		c.want.Asker = "a"
		id := w.add(c.want)
		w.run(c.after - 1)
		w.run(1)
		f, ok := w.finished[id]
		if !ok || !errors.Is(f.Cause, c.cause) || !slices.Equal(f.Missing, c.missing) {
			t.Errorf("%s: over %v, %+v", c.name, ok, f)
		}
		if c.asked > 0 && c.remotes[0].asked != c.asked {
			t.Errorf("%s: asked %d times, want %d", c.name, c.remotes[0].asked, c.asked)
		}
	}
}

// TestLeaving: what a peer that leaves was asked for is asked of another; what it alone was to be
// asked for is given up.
func TestLeaving(t *testing.T) {
	silent := &remote{silent: true}
	w := newWorld(t, ask.Config{}, silent)
	only := id(0)
	pinned := w.add(ask.Want{Asker: "a", Kind: ask.Headers, Query: headersFrom(1, 5), Only: &only})
	free := w.add(ask.Want{Asker: "a", Kind: ask.Bodies, Blocks: blocks(1, 5), Tries: 1})
	w.do(w.s.Leave(w.now, only))
	if f := w.finished[pinned]; !errors.Is(f.Cause, ask.ErrPeerLeft) {
		t.Errorf("finished: %+v", f)
	}
	w.remotes[id(1)] = quick()
	w.do(w.s.Join(w.now, ask.Peer{ID: id(1), Version: 69}))
	w.run(time.Minute)
	w.wantDone(free, 5)
	if _, ok, actions := w.s.Arrived(w.now, only, 1, ask.Headers, 1); ok || len(actions) != 0 {
		t.Errorf("an answer of a peer that has left: %v", actions)
	}
}

// TestCancel: nothing is heard of a want that is cancelled, and its answer is no fault.
func TestCancel(t *testing.T) {
	w := newWorld(t, ask.Config{PerPeer: 1}, quick())
	id := w.add(ask.Want{Asker: "a", Kind: ask.Bodies, Blocks: blocks(1, 500)})
	w.do(w.s.Cancel(w.now, id))
	next := w.add(ask.Want{Asker: "a", Kind: ask.Bodies, Blocks: blocks(1, 5)})
	w.run(time.Minute)
	w.wantDone(next, 5)
	if _, over := w.finished[id]; over || w.got[id] != 0 || w.remotes[enode.ID{}].asked != 2 {
		t.Errorf("over %v, got %d, asked %d times", over, w.got[id], w.remotes[enode.ID{}].asked)
	}
}

// TestContinue: a request that is answered in parts keeps its ID and has a new time-out each time;
// what was whole does not get lost.
func TestContinue(t *testing.T) {
	s := ask.New(ask.Config{})
	s.Join(began, ask.Peer{ID: id(0), Version: 70})
	_, actions, err := s.Add(began, ask.Want{Kind: ask.Receipts, Blocks: blocks(1, 3)})
	if err != nil {
		t.Fatal(err)
	}
	r, now := actions[0].(ask.Ask).Request, began
	for range 5 {
		now = now.Add(4 * time.Second)
		if len(s.Tick(now)) != 0 {
			t.Fatal("timed out")
		}
		if _, ok, a := s.Arrived(now, id(0), r.ID, ask.Receipts, 1); !ok || len(a) != 0 {
			t.Fatalf("%v, %v", ok, a)
		}
		if !s.Continue(now, r.ID, ask.Result{Got: []bool{true, false, false}}) {
			t.Fatal("the request is gone")
		}
	}
	if s.Continue(now, r.ID, ask.Result{}) {
		t.Error("continued before there was an answer")
	}
	now = now.Add(time.Minute)
	s.Tick(now) // a time-out
	actions = s.Tick(now.Add(2 * time.Second))
	if len(actions) != 1 || !slices.Equal(actions[0].(ask.Ask).Request.Blocks, blocks(2, 3)) {
		t.Errorf("then %v", actions)
	}
	if s.Continue(now, r.ID, ask.Result{}) {
		t.Error("continued after a time-out")
	}
}

// TestLostCheck: an answer whose check the caller has lost is asked for again.
func TestLostCheck(t *testing.T) {
	s := ask.New(ask.Config{})
	s.Join(began, ask.Peer{ID: id(0), Version: 70})
	_, actions, err := s.Add(began, ask.Want{Kind: ask.Bodies, Blocks: blocks(1, 3), Tries: 1})
	if err != nil {
		t.Fatal(err)
	}
	r := actions[0].(ask.Ask).Request
	s.Arrived(began, id(0), r.ID, ask.Bodies, 3)
	if actions = s.Tick(began.Add(59 * time.Second)); len(actions) != 0 {
		t.Errorf("too early: %v", actions)
	}
	if actions = s.Tick(began.Add(time.Minute)); len(actions) != 1 || len(actions[0].(ask.Ask).Request.Blocks) != 3 {
		t.Errorf("then %v", actions)
	}
	if actions = s.Done(began.Add(time.Minute), r.ID, ask.Result{Got: []bool{true, true, true}}); len(actions) != 0 {
		t.Errorf("done in the end: %v", actions)
	}
}

// TestInFlight: requests are bounded, for all and for a peer.
func TestInFlight(t *testing.T) {
	w := newWorld(t, ask.Config{InFlight: 7, PerPeer: 2}, slices.Repeat([]*remote{quick()}, 10)...)
	for _, k := range []ask.Kind{ask.Bodies, ask.Receipts, ask.AccessLists} {
		w.add(ask.Want{Asker: "a", Kind: k, Blocks: blocks(1, 1000)})
	}
	w.run(time.Minute)
	if w.most != 7 {
		t.Errorf("%d requests at once, want 7", w.most)
	}
	w = newWorld(t, ask.Config{PerPeer: 2}, quick())
	for _, k := range []ask.Kind{ask.Bodies, ask.Receipts, ask.AccessLists} {
		w.add(ask.Want{Asker: "a", Kind: k, Blocks: blocks(1, 1000)})
	}
	w.run(time.Minute)
	if w.most != 2 {
		t.Errorf("%d requests at once to a peer, want 2", w.most)
	}
}

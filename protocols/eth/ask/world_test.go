package ask_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/p2p/enode"
	"go.uber.org/goleak"

	"github.com/troupe-p2p/troupe/protocols/eth/ask"
	"github.com/troupe-p2p/troupe/protocols/eth/serve"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var began = time.Unix(1_700_000_000, 0)

func id(n int) (id enode.ID) {
	id[0], id[1] = byte(n), byte(n>>8)
	return id
}

func hash(n uint64) (h common.Hash) {
	h[0] = 1
	for i := range 8 {
		h[31-i] = byte(n >> (8 * i))
	}
	return h
}

// blocks returns the blocks from one number to another.
func blocks(from, to uint64) (list []ask.Block) {
	for n := from; n <= to; n++ {
		list = append(list, ask.Block{Number: n, Hash: hash(n)})
	}
	return list
}

func headersFrom(n, amount uint64) serve.HeadersQuery {
	return serve.HeadersQuery{Origin: serve.Origin{Number: n}, Amount: amount}
}

// remote is how a peer of a world answers.
type remote struct {
	latency time.Duration
	rate    float64 // items a second
	most    int     // items of an answer, 0: all
	lacks   func(ask.Block) bool
	silent  bool
	every   int // answers one request of so many, 0: all
	asked   int
	sizes   []int
}

// event is an answer on its way.
type event struct {
	at      time.Time
	peer    enode.ID
	request ask.Request
}

// world is a scheduler with remotes that answer by their own rules.
type world struct {
	t        testing.TB
	s        *ask.Scheduler
	now      time.Time
	remotes  map[enode.ID]*remote
	events   []event
	finished map[ask.WantID]ask.Finished
	got      map[ask.WantID]int
	closed   map[enode.ID]error
	spent    map[ask.WantID]time.Duration
	inFlight int
	most     int
	log      []ask.Ask
}

func newWorld(t testing.TB, cfg ask.Config, remotes ...*remote) *world {
	w := &world{
		t: t, s: ask.New(cfg), now: began, remotes: map[enode.ID]*remote{}, finished: map[ask.WantID]ask.Finished{},
		got: map[ask.WantID]int{}, closed: map[enode.ID]error{}, spent: map[ask.WantID]time.Duration{},
	}
	for i, r := range remotes {
		w.remotes[id(i)] = r
		w.do(w.s.Join(w.now, ask.Peer{ID: id(i), Version: 71}))
	}
	return w
}

func (w *world) add(want ask.Want) ask.WantID {
	w.t.Helper()
	got, actions, err := w.s.Add(w.now, want)
	if err != nil {
		w.t.Fatal(err)
	}
	w.do(actions)
	return got
}

func (w *world) do(actions []ask.Action) {
	for _, a := range actions {
		switch a := a.(type) {
		case ask.Ask:
			w.send(a)
		case ask.Finished:
			w.finished[a.Want] = a
		case ask.Close:
			w.closed[a.Peer] = a.Cause
		}
	}
}

func (w *world) send(a ask.Ask) {
	r := w.remotes[a.Peer]
	r.asked++
	r.sizes = append(r.sizes, a.Request.Items())
	w.log = append(w.log, a)
	if r.silent || r.every > 0 && r.asked%r.every != 0 {
		return
	}
	w.inFlight++
	w.most = max(w.most, w.inFlight)
	took := r.latency
	if r.rate > 0 {
		took += time.Duration(float64(a.Request.Items()) / r.rate * float64(time.Second))
	}
	w.spent[a.Request.Want] += took
	w.events = append(w.events, event{w.now.Add(took), a.Peer, a.Request})
}

// run lets time pass up to a limit, or until all wants are over.
func (w *world) run(limit time.Duration) {
	w.t.Helper()
	end := w.now.Add(limit)
	for range 1_000_000 {
		at, ok := w.s.Next(w.now)
		next := -1
		for i, e := range w.events {
			if !ok || e.at.Before(at) {
				at, ok, next = e.at, true, i
			}
		}
		if !ok || at.After(end) {
			w.now = end
			return
		}
		w.now = at
		if next < 0 {
			w.do(w.s.Tick(w.now))
			continue
		}
		e := w.events[next]
		w.events = slices.Delete(w.events, next, next+1)
		w.inFlight--
		w.answer(e)
	}
	w.t.Fatal("no end")
}

func (w *world) answer(e event) {
	r := w.remotes[e.peer]
	found := ask.Result{Got: make([]bool, len(e.request.Blocks)), Headers: int(e.request.Query.Amount)}
	items := 0
	for i, b := range e.request.Blocks {
		if r.lacks != nil && r.lacks(b) || r.most > 0 && items == r.most {
			break
		}
		found.Got[i] = true
		items++
	}
	if e.request.Kind == ask.Headers {
		if items = found.Headers; r.lacks != nil && r.lacks(ask.Block{Number: e.request.Query.Origin.Number}) {
			items, found.Headers = 0, 0
		}
	}
	found.Spoken = items
	_, ok, actions := w.s.Arrived(w.now, e.peer, e.request.ID, e.request.Kind, items)
	w.do(actions)
	if ok {
		w.got[e.request.Want] += items
		w.do(w.s.Done(w.now, e.request.ID, found))
	}
}

// quick is a remote without faults.
func quick() *remote { return &remote{latency: 50 * time.Millisecond, rate: 1000} }

func (w *world) wantDone(id ask.WantID, blocks int) {
	w.t.Helper()
	f, ok := w.finished[id]
	if !ok || f.Cause != nil || len(f.Missing) != 0 || w.got[id] != blocks {
		w.t.Errorf("want %d: finished %v, %+v, got %d of %d", id, ok, f, w.got[id], blocks)
	}
	if len(w.closed) != 0 {
		w.t.Errorf("closed: %v", fmt.Sprint(w.closed))
	}
}

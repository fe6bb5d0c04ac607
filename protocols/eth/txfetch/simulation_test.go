package txfetch_test

import (
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/troupe-p2p/troupe/protocols/eth/txfetch"
)

// TestManyPeers simulates peers that are honest, forgetful, slow, or come and go. It is driven by Wake
// alone. All that an honest peer has must come, no two peers are asked for the same at once, and in
// the end nothing is left.
func TestManyPeers(t *testing.T) {
	for seed := range uint64(10) {
		r := rand.New(rand.NewPCG(seed, 2))
		s := &simulation{world: newWorld(t, txfetch.Config{}), r: r, came: map[common.Hash]bool{}, open: map[*txfetch.Request[string]]time.Time{}}
		s.run()
		for i := range 1500 {
			if !s.came[hash(i)] {
				t.Fatalf("seed %d: transaction %d never came", seed, i)
			}
		}
		if got := s.State(); got.Tracked != 0 || got.Announcements != 0 {
			t.Errorf("seed %d: %+v", seed, got)
		}
	}
}

type simulation struct {
	*world
	r    *rand.Rand
	came map[common.Hash]bool
	open map[*txfetch.Request[string]]time.Time // requests without answer, and when they were sent
	due  []func()
	at   []time.Time
	wake time.Time
}

// later runs f after a while.
func (s *simulation) later(d time.Duration, f func()) {
	s.due, s.at = append(s.due, f), append(s.at, s.now.Add(d))
}

func (s *simulation) run() {
	peers := []string{"honest1", "honest2", "forgets1", "forgets2", "silent1", "leaves1"}
	for _, p := range peers {
		s.Joined(p, 71)
	}
	for i := 0; i < 1500; i += 30 {
		for _, p := range peers {
			list := txs(i, 30)
			s.r.Shuffle(len(list), func(a, b int) { list[a], list[b] = list[b], list[a] })
			s.later(time.Duration(s.r.IntN(20_000))*time.Millisecond, func() { s.perform(s.announce(p, list...)) })
		}
	}
	s.later(10*time.Second, func() {
		maps.DeleteFunc(s.open, func(r *txfetch.Request[string], _ time.Time) bool { return r.Peer == "leaves1" })
		s.perform(s.Left(s.now, "leaves1"))
	})
	for steps := 0; ; steps++ {
		if steps > 100_000 {
			s.t.Fatal("does not end")
		}
		next := -1
		for i, at := range s.at {
			if next < 0 || at.Before(s.at[next]) {
				next = i
			}
		}
		switch {
		case !s.wake.IsZero() && (next < 0 || s.wake.Before(s.at[next])):
			s.now = s.wake
			s.perform(s.Tick(s.now))
		case next >= 0:
			f := s.due[next]
			s.now = s.at[next]
			s.due, s.at = append(s.due[:next], s.due[next+1:]...), append(s.at[:next], s.at[next+1:]...)
			f()
		default:
			return
		}
	}
}

func (s *simulation) perform(a actions) {
	if len(a.Faults) > 0 {
		s.t.Fatalf("faults %+v", a.Faults)
	}
	if !a.Wake.IsZero() && !a.Wake.After(s.now) {
		s.t.Fatalf("wake %v ago", s.now.Sub(a.Wake))
	}
	s.wake = a.Wake
	for _, r := range a.Requests {
		for other, sent := range s.open {
			if s.now.Sub(sent) >= 5*time.Second {
				delete(s.open, other)
				continue
			}
			if other.Peer == r.Peer {
				s.t.Fatalf("%s is asked twice at once", r.Peer)
			}
			for _, h := range other.Hashes {
				if slices.Contains(r.Hashes, h) && !s.came[h] {
					s.t.Fatalf("%s and %s are asked for the same", r.Peer, other.Peer)
				}
			}
		}
		s.open[r] = s.now
		s.answer(r)
	}
}

func (s *simulation) answer(r *txfetch.Request[string]) {
	if r.Peer == "silent1" {
		return
	}
	var list []txfetch.Item
	for i, h := range r.Hashes {
		if r.Peer[:3] == "for" && s.r.IntN(3) == 0 {
			continue
		}
		if i > 20 && s.r.IntN(10) == 0 {
			break // the answer is full
		}
		list = append(list, txfetch.Item{Hash: h, Type: 2, Whole: 110})
	}
	s.later(time.Duration(s.r.IntN(300))*time.Millisecond, func() {
		delete(s.open, r)
		for _, it := range list {
			s.came[it.Hash] = true
		}
		s.perform(s.Answered(s.now, r, list))
	})
}

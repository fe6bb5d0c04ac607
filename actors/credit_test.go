package actors

import (
	"sync"
	"testing"
	"time"
)

func TestCredit(t *testing.T) {
	c := credit{limit: 100}
	for _, tt := range []struct {
		name string
		take int64
		want bool
		give int64 // before it
	}{
		{"up to the limit", 60, true, 0},
		{"exactly", 40, true, 0},
		{"beyond", 1, false, 0},
		{"after some came back", 30, true, 30},
		{"larger than all, not alone", 1000, false, 99},
		{"larger than all, alone", 1000, true, 1},
		{"nothing beside it", 1, false, 0},
	} {
		if tt.give > 0 {
			c.give(tt.give, &wakeup{})
		}
		if got := c.take(tt.take); got != tt.want {
			t.Fatalf("%s: take(%d) with %d in use is %v", tt.name, tt.take, c.used.Load(), got)
		}
	}
}

// A reader that waits is woken when half of the budget, or what it needs, is
// there; not for others' credit, and not for every message.
func TestCreditWakesReader(t *testing.T) {
	for _, tt := range []struct {
		name       string
		used, need int64
		give       []int64
		wakesAt    int // index in give; len(give): never
	}{
		{"half is free", 100, 10, []int64{10, 30, 9, 1, 1}, 3},
		{"a large message", 100, 90, []int64{60, 29, 1}, 2},
		{"larger than all", 100, 500, []int64{50, 49, 1}, 2},
		{"not enough", 100, 10, []int64{49}, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, other := credit{limit: 100}, credit{limit: 100}
			w := wakeup{ch: make(chan struct{}, 1)}
			c.used.Store(tt.used)
			other.used.Store(100)
			w.arm(&c, tt.need)
			other.give(100, &w)
			for i, n := range tt.give {
				c.give(n, &w)
				select {
				case <-w.ch:
					if i < tt.wakesAt {
						t.Fatalf("woken with %d in use", c.used.Load())
					}
					if !c.take(tt.need) {
						t.Errorf("woken with %d in use, which is too early", c.used.Load())
					}
					return
				default:
					if i == tt.wakesAt {
						t.Fatalf("not woken with %d in use", c.used.Load())
					}
				}
			}
			w.disarm()
			c.give(c.used.Load(), &w)
			if len(w.ch) != 0 {
				t.Error("woken though it does not wait any more")
			}
		})
	}
}

func TestPool(t *testing.T) {
	p := NewPool(100)
	if !p.take(60) || !p.take(40) {
		t.Fatal("refuses what it has")
	}
	if p.take(1) {
		t.Error("gives more than it has")
	}
	if p.Used() != 100 || p.Cap() != 100 {
		t.Errorf("used %d of %d", p.Used(), p.Cap())
	}
	p.give(60)
	if p.take(1000) {
		t.Error("lets in a message larger than the pool that is not alone")
	}
	p.give(40)
	if !p.take(1000) {
		t.Error("refuses a message larger than the pool that is alone")
	}
}

func TestPoolWakesAllWhoWait(t *testing.T) {
	p := NewPool(100)
	p.take(100)
	first, second := p.wait(), p.wait()
	p.give(0)
	select {
	case <-first:
		t.Error("woken by nothing")
	default:
	}
	p.give(1)
	for i, ch := range []<-chan struct{}{first, second} {
		select {
		case <-ch:
		case <-time.After(20 * time.Second):
			t.Fatalf("waiter %d is not woken", i)
		}
	}
	if len(p.waiters) != 0 {
		t.Errorf("still remembers %d waiters", len(p.waiters))
	}
}

// Whoever asks again after wait and before waiting misses no give: readers that
// share a small pool all get on.
func TestPoolUnderContention(t *testing.T) {
	const readers, turns = 8, 2000
	p := NewPool(3)
	var wg sync.WaitGroup
	for range readers {
		wg.Go(func() {
			for range turns {
				for !p.take(2) {
					free := p.wait()
					if p.take(2) {
						break
					}
					<-free
				}
				p.give(2)
			}
		})
	}
	wg.Wait()
	if p.Used() != 0 {
		t.Errorf("%d in use at the end", p.Used())
	}
}

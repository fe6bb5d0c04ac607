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
		give int64 // credit returned before take
	}{
		{"below the limit", 60, true, 0},
		{"exactly the limit", 40, true, 0},
		{"beyond the limit", 1, false, 0},
		{"after some was returned", 30, true, 30},
		{"larger than the limit, not alone", 1000, false, 99},
		{"larger than the limit, alone", 1000, true, 1},
		{"a second one beside it", 1, false, 0},
	} {
		if tt.give > 0 {
			c.give(tt.give, &wakeup{})
		}
		if got := c.take(tt.take); got != tt.want {
			t.Fatalf("%s: take(%d) with %d in use is %v", tt.name, tt.take, c.used.Load(), got)
		}
	}
}

// TestCreditWakesReader: a waiting reader is woken when half of the budget, or what it needs, is
// free; not for other protocols' credit, and not for every message.
func TestCreditWakesReader(t *testing.T) {
	for _, tt := range []struct {
		name       string
		used, need int64
		give       []int64
		wakesAt    int // index in give; len(give): never
	}{
		{"half is free", 100, 10, []int64{10, 30, 9, 1, 1}, 3},
		{"a large message", 100, 90, []int64{60, 29, 1}, 2},
		{"larger than the budget", 100, 500, []int64{50, 49, 1}, 2},
		{"less than half is free", 100, 10, []int64{49}, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, other := credit{limit: 100}, credit{limit: 100}
			var w wakeup
			c.used.Store(tt.used)
			other.used.Store(100)
			w.arm(&c, tt.need)
			other.give(100, &w)
			for i, n := range tt.give {
				c.give(n, &w)
				select {
				case <-w.channel():
					if i < tt.wakesAt {
						t.Fatalf("woken with %d in use", c.used.Load())
					}
					if !c.take(tt.need) {
						t.Errorf("woken too early, with %d in use", c.used.Load())
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
			if len(w.channel()) != 0 {
				t.Error("woken though it no longer waits")
			}
		})
	}
}

func TestPool(t *testing.T) {
	p := NewPool(100)
	if !p.take(60) || !p.take(40) {
		t.Fatal("the pool refuses bytes that it has")
	}
	if p.take(1) {
		t.Error("the pool gives more than it has")
	}
	if p.Used() != 100 || p.Cap() != 100 {
		t.Errorf("used %d of %d", p.Used(), p.Cap())
	}
	p.give(60)
	if p.take(1000) {
		t.Error("the pool admits a message larger than itself that is not alone")
	}
	p.give(40)
	if !p.take(1000) {
		t.Error("the pool refuses a message larger than itself that is alone")
	}
}

func TestPoolWakesAllWhoWait(t *testing.T) {
	p := NewPool(100)
	p.take(100)
	first, second := p.wait(), p.wait()
	p.give(0)
	select {
	case <-first:
		t.Error("woken by a give of 0 bytes")
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
		t.Errorf("the pool still has %d waiters", len(p.waiters))
	}
}

// TestPoolUnderContention: a reader that calls take again after wait and before blocking misses
// no give. All readers that share a small pool make progress.
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

package pool_test

import (
	"sync"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"

	"github.com/troupe-p2p/troupe/protocols/eth/pool"
)

// TestExpire: old transactions leave, a bounded number in a call.
func TestExpire(t *testing.T) {
	const count = 3000
	p := pool.New(pool.Config{Lifetime: time.Hour})
	for i := range count {
		if err := p.Add(start.Add(time.Duration(i)*time.Millisecond), transfer(t, i, 0, 100), one); err != nil {
			t.Fatal(err)
		}
	}
	if p.Expire(start.Add(time.Hour - 1)); p.State().Transactions != count {
		t.Errorf("%d left before their time", count-p.State().Transactions)
	}
	if p.Expire(start.Add(time.Hour + 9*time.Millisecond)); p.State().Transactions != count-10 {
		t.Errorf("%d left, want 10", count-p.State().Transactions)
	}
	late, calls := start.Add(2*time.Hour), 1
	for ; p.Expire(late); calls++ {
		if calls > count {
			t.Fatal("does not end")
		}
	}
	if s := p.State(); s.Transactions != 0 || s.Senders != 0 || s.Held != 0 || s.Bytes != 0 || s.Expired != count || calls < 3 {
		t.Errorf("%+v after %d calls", s, calls)
	}
}

// TestAfter goes through the pool in steps, while it changes.
func TestAfter(t *testing.T) {
	p := pool.New(pool.Config{State: rich{}})
	want := map[common.Hash]bool{}
	for i := range 5000 {
		tx := transfer(t, i, uint64(i%50/49), 100) // one in fifty waits for another
		add(t, p, tx, one)
		if i%50 != 49 && i%3 != 0 {
			want[tx.Hash()] = true
		}
	}
	var cursor pool.Cursor
	for steps := 0; ; steps++ {
		list, next, done := p.After(cursor, 100)
		if len(list) > 100 || !done && next == cursor || steps > 1000 {
			t.Fatalf("step %d: %d transactions, cursor %d after %d", steps, len(list), next, cursor)
		}
		for _, out := range list {
			delete(want, out.Tx.Hash())
		}
		cursor = next
		if done {
			break
		}
		if steps == 0 { // two of three leave
			for i := range 5000 {
				if i%3 == 0 {
					p.Included([]pool.Inclusion{{Sender: address(i), Nonce: 0}})
				}
			}
		}
	}
	if len(want) != 0 {
		t.Errorf("%d transactions were passed over", len(want))
	}
	if list, next, done := p.After(cursor, 100); len(list) != 0 || !done || next != cursor {
		t.Errorf("after the end: %d transactions", len(list))
	}
}

// TestOnlyWhatIsThereIsAnnounced: what has left the pool is not announced, so that nothing of it is
// served with another size (ethrex #7235).
func TestOnlyWhatIsThereIsAnnounced(t *testing.T) {
	p := pool.New(pool.Config{State: rich{}})
	_, tx := blobTx(t, 2, types.CustodyBitmapData, nil)
	add(t, p, tx, one)
	p.Included([]pool.Inclusion{{Sender: tx.Sender(), Nonce: tx.Nonce()}})
	list, _, _ := p.After(0, 10)
	if got := ready(p); len(got) != 0 || len(list) != 0 || p.Get(tx.Hash()) != nil {
		t.Errorf("ready %v, for new peers %v", got, list)
	}
}

// TestThousandsOfOneSender: there is no limit for a sender while there is room.
func TestThousandsOfOneSender(t *testing.T) {
	p := pool.New(pool.Config{State: rich{}})
	const count = 5000
	begin := time.Now()
	for nonce := range uint64(count) {
		add(t, p, transfer(t, 1, nonce, 7), one)
	}
	if got := len(ready(p)); got != count {
		t.Errorf("%d of %d may go on", got, count)
	}
	if took := time.Since(begin); took > 5*time.Second {
		t.Errorf("took %v", took)
	}
}

// TestConcurrently is for the race detector.
func TestConcurrently(t *testing.T) {
	p := pool.New(pool.Config{Bytes: 200 << 10, Lifetime: time.Minute})
	var all sync.WaitGroup
	for worker := range 4 {
		all.Go(func() {
			for i := range 500 {
				tx := transfer(t, i%50, uint64(i/50), int64(100+worker*20))
				_ = p.Add(start.Add(time.Duration(i)*time.Second), tx, pool.Origin{Network: pool.Network(worker)}) // refusals are part of it
				p.Announced(tx.Hash(), one)
				p.Included([]pool.Inclusion{{Sender: address(i % 70), Nonce: uint64(i / 100)}})
				p.Ready(3)
				p.After(pool.Cursor(i), 3)
				if got := p.Get(tx.Hash()); got != nil && got.Hash() != tx.Hash() {
					t.Error("another transaction")
				}
				p.State()
			}
		})
	}
	all.Wait()
}

package pool_test

import (
	"errors"
	"math/big"
	"math/rand/v2"
	"net/netip"
	"runtime"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/txpool"
	"github.com/ethereum/go-ethereum/core/types"

	"github.com/troupe-p2p/troupe/protocols/eth/pool"
)

// countOf returns how many transactions of a sender the pool has, of those with nonces below limit.
func countOf(t testing.TB, p *pool.Pool, sender int, limit uint64, price int64) (n int) {
	for nonce := range limit {
		if p.Has(transfer(t, sender, nonce, price).Hash()) {
			n++
		}
	}
	return n
}

// TestNoSenderCrowdsOut: one sender fills the pool, at a high price. Others get in at a low one.
func TestNoSenderCrowdsOut(t *testing.T) {
	const others = 100
	p := pool.New(pool.Config{Bytes: 1 << 20, State: rich{}})
	full := uint64(0)
	for err := error(nil); err == nil; full++ {
		err = p.Add(start, transfer(t, 1, full, 1e6), one)
		if full > 1<<16 {
			t.Fatal("the pool has no bound")
		}
	}
	for i := range others {
		for nonce := range uint64(2) {
			add(t, p, transfer(t, 2+i, nonce, 7), one)
		}
	}
	for i := range others {
		if n := countOf(t, p, 2+i, 2, 7); n != 2 {
			t.Errorf("sender %d has %d transactions, want 2", 2+i, n)
		}
	}
	kept := countOf(t, p, 1, full, 1e6)
	if lost := int(full) - kept; lost < 2*others || lost > 3*others {
		t.Errorf("the large sender lost %d of %d", lost, full)
	}
	for nonce := range uint64(kept) {
		if !p.Has(transfer(t, 1, nonce, 1e6).Hash()) {
			t.Fatalf("the large sender has %d transactions, but not nonce %d: others cannot be executed", kept, nonce)
		}
	}
	if s := p.State(); s.Bytes > 1<<20 {
		t.Errorf("%d bytes", s.Bytes)
	}
}

// TestLowestPriceLeaves: among senders that hold little, the price decides.
func TestLowestPriceLeaves(t *testing.T) {
	p := pool.New(pool.Config{Count: 100, State: rich{}})
	for i := range 100 {
		add(t, p, transfer(t, 1+i, 0, int64(100+i)), one)
	}
	if err := p.Add(start, transfer(t, 200, 0, 99), one); !errors.Is(err, pool.ErrFull) || !errors.Is(err, txpool.ErrUnderpriced) {
		t.Errorf("the sender that pays less than all others: %v", err)
	}
	if err := p.Add(start, transfer(t, 201, 0, 100), one); !errors.Is(err, pool.ErrFull) {
		t.Errorf("the sender that pays least and comes last: %v", err)
	}
	for i := range 10 {
		add(t, p, transfer(t, 300+i, 0, 1000), one)
	}
	for i := range 100 {
		if got, want := countOf(t, p, 1+i, 1, int64(100+i)), i >= 10; got == 1 != want {
			t.Errorf("the sender that pays %d: in the pool %v", 100+i, got == 1)
		}
	}
	if s := p.State(); s.Transactions != 100 || s.Evicted != 12 || s.Refused != 2 {
		t.Errorf("%+v", s)
	}
}

// TestExpensiveTailIsWorthItsHead: a high price after a low nonce that pays little buys nothing.
func TestExpensiveTailIsWorthItsHead(t *testing.T) {
	p := pool.New(pool.Config{Count: 10, State: rich{}})
	add(t, p, transfer(t, 1, 0, 7), one)
	add(t, p, transfer(t, 1, 1, 1e6), one)
	for i := range 8 {
		add(t, p, transfer(t, 2+i, 0, 100), one)
	}
	add(t, p, transfer(t, 50, 0, 50), one)
	if p.Has(transfer(t, 1, 1, 1e6).Hash()) || !p.Has(transfer(t, 50, 0, 50).Hash()) {
		t.Error("a transaction that waits for one of 7 wei counts as one of 1,000,000")
	}
}

// TestGappedLeaveFirst: what cannot be executed makes room for what can, whatever it pays.
func TestGappedLeaveFirst(t *testing.T) {
	p := pool.New(pool.Config{Count: 10, State: rich{}})
	add(t, p, transfer(t, 1, 5, 1e6), one)
	for i := range 9 {
		add(t, p, transfer(t, 2+i, 0, 100), one)
	}
	add(t, p, transfer(t, 50, 0, 7), one)
	if p.Has(transfer(t, 1, 5, 1e6).Hash()) {
		t.Error("a transaction with a gap before it stays")
	}
}

// TestOneNetworkCannotFill: a remote that sends transactions of countless unknown senders at any price
// displaces its own, and neither what others have confirmed nor what another network brings.
func TestOneNetworkCannotFill(t *testing.T) {
	const bytes = 1 << 20
	p := pool.New(pool.Config{Bytes: bytes})
	sender, confirmed := 0, []*pool.Tx{}
	for p.State().Bytes < bytes*7/10 { // confirmed transactions
		sender++
		tx := transfer(t, sender, 0, 100)
		add(t, p, tx, one)
		p.Announced(tx.Hash(), two)
		confirmed = append(confirmed, tx)
	}
	attacker := pool.Origin{Network: pool.NetworkOf(netip.MustParseAddr("203.0.113.1"))}
	arrived, lost := 0, 0
	for i := range 10000 {
		sender++
		if err := p.Add(start, transfer(t, sender, 0, 1e9), attacker); err != nil {
			t.Fatalf("transaction %d of the attacker: %v", i, err)
		}
		if i%100 != 0 {
			continue
		}
		sender++
		tx := transfer(t, sender, 0, 50) // an honest one, cheaper than all others
		if p.Add(start, tx, one) != nil {
			continue
		}
		for j := range 20 { // more of the attacker's, until another network announces it as well
			add(t, p, transfer(t, 1_000_000+i*100+j, 0, 1e9), attacker)
		}
		if p.Announced(tx.Hash(), two) {
			arrived++
		}
	}
	for _, tx := range confirmed {
		if !p.Has(tx.Hash()) {
			lost++
		}
	}
	if arrived < 90 {
		t.Errorf("%d of 100 honest transactions arrived", arrived)
	}
	if lost > len(confirmed)/10 {
		t.Errorf("%d of %d confirmed transactions are lost", lost, len(confirmed))
	}
	if s := p.State(); s.Bytes > bytes {
		t.Errorf("%d bytes", s.Bytes)
	}
}

// TestHeldHaveAQuarter: when the pool is full, what one network alone has announced makes room first, its
// oldest, if it has more than a quarter; otherwise the price decides.
func TestHeldHaveAQuarter(t *testing.T) {
	for held, want := range map[int]string{2: "cheapest", 3: "held"} {
		p := pool.New(pool.Config{Count: 10})
		for i := range held {
			add(t, p, transfer(t, 1+i, 0, 1000), one)
		}
		for i := range 10 - held {
			add(t, p, transfer(t, 100+i, 0, int64(100+i)), trusted)
		}
		add(t, p, transfer(t, 200, 0, 200), trusted)
		got := "held"
		if p.Has(transfer(t, 1, 0, 1000).Hash()) {
			got = "none"
		}
		if !p.Has(transfer(t, 100, 0, 100).Hash()) {
			got = "cheapest"
		}
		if s := p.State(); got != want || s.Transactions != 10 {
			t.Errorf("%d held: the %s leaves, want the %s", held, got, want)
		}
	}
}

// TestMemory: the heap grows by no more than the pool counts, whatever is in it.
func TestMemory(t *testing.T) {
	const bound = 4 << 20
	large := func(i int) *pool.Tx {
		return newTx(t, i, &types.LegacyTx{Gas: 1e6, GasPrice: big.NewInt(100), Nonce: uint64(i), Data: make([]byte, 100<<10)})
	}
	custody := types.NewCustodyBitmap([]uint64{0, 9, 18, 27, 36, 45, 54, 63})
	for name, c := range map[string]struct {
		count int
		make  func(i int) *pool.Tx
	}{
		"many senders":          {12000, func(i int) *pool.Tx { return transfer(t, i, 0, 100) }},
		"one sender":            {12000, func(i int) *pool.Tx { return transfer(t, 1, uint64(i), 100) }},
		"one sender, backwards": {5000, func(i int) *pool.Tx { return transfer(t, 1, uint64(1e6-i), 100) }},
		"large transactions":    {200, large},
		"blobs": {100, func(i int) *pool.Tx {
			_, tx := blobTx(t, 2, custody, func(b *types.BlobTx) { b.Nonce = uint64(i) })
			return tx
		}},
		"many, then large": {15000, func(i int) *pool.Tx {
			if i > 14500 {
				return large(i)
			}
			return transfer(t, i, 0, 100)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			origins := []pool.Origin{one, two, trusted}
			var before, after runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			p := pool.New(pool.Config{Bytes: bound})
			for i := range c.count {
				if err := p.Add(start, c.make(i), origins[i%3]); err != nil && !errors.Is(err, pool.ErrFull) {
					t.Fatal(err)
				}
				if i%5 == 0 {
					p.Included([]pool.Inclusion{{Sender: address(1_000_000 + i), Nonce: 1}})
				}
			}
			runtime.GC()
			runtime.ReadMemStats(&after)
			grown, s := int(after.HeapAlloc)-int(before.HeapAlloc), p.State()
			t.Logf("%d transactions, %d bytes counted, heap grown by %d", s.Transactions, s.Bytes, grown)
			if s.Bytes > bound || grown > s.Bytes+64<<10 || grown < s.Bytes/3 {
				t.Errorf("%d bytes counted of %d, heap grown by %d", s.Bytes, bound, grown)
			}
			runtime.KeepAlive(p)
		})
	}
}

// TestRandomly does all that can be done in random order. In the end nothing must be left over, and on
// the way what may go on must be executable.
func TestRandomly(t *testing.T) {
	for seed := range uint64(10) {
		r := rand.New(rand.NewPCG(seed, 1))
		state := accounts{}
		const bound = 100 << 10
		p := pool.New(pool.Config{Bytes: bound, Lifetime: time.Hour, State: state})
		now := start
		for range 4000 {
			sender := r.IntN(40)
			now = now.Add(time.Duration(r.IntN(2000)) * time.Millisecond)
			in := []pool.Inclusion{{Sender: address(sender), Nonce: uint64(r.IntN(8))}}
			switch r.IntN(20) {
			case 0:
				p.Included(in)
			case 1:
				p.Excluded(in)
			case 2:
				state[address(sender)] = account{nonce: uint64(r.IntN(6)), balance: uint64(r.IntN(1e8))}
				p.Recheck(address(sender))
			case 3:
				delete(state, address(sender))
				p.Recheck(address(sender))
			case 4:
				p.Ready(10)
			case 5:
				p.Expire(now)
			default:
				origin := pool.Origin{Network: pool.Network(r.IntN(3)), Trusted: r.IntN(10) == 0}
				tx := transfer(t, sender, uint64(r.IntN(15)), 100+int64(r.IntN(10))*100)
				_ = p.Add(now, tx, origin) // refusals are part of it
				p.Announced(tx.Hash(), pool.Origin{Network: pool.Network(r.IntN(3))})
			}
			if s := p.State(); s.Bytes > bound {
				t.Fatalf("seed %d: %d bytes", seed, s.Bytes)
			}
		}
		checkExecutable(t, p, state)
		for p.Expire(now.Add(2 * time.Hour)) {
		}
		empty := pool.New(pool.Config{Bytes: bound})
		for sender := range 40 {
			empty.Included([]pool.Inclusion{{Sender: address(sender)}})
		}
		if s := p.State(); s.Transactions != 0 || s.Senders != 0 || s.Held != 0 || s.Bytes > empty.State().Bytes || len(ready(p)) != 0 {
			t.Errorf("seed %d: an empty pool has %+v", seed, s)
		}
	}
}

// checkExecutable checks that what may be pushed has no gap before it and is paid for.
func checkExecutable(t *testing.T, p *pool.Pool, state accounts) {
	t.Helper()
	list, _, _ := p.After(0, 1<<20)
	costs, nonces := map[common.Address]uint64{}, map[common.Address]map[uint64]bool{}
	for _, out := range list {
		acct, known := state[out.Tx.Sender()]
		if known != (out.Scope == pool.Push) {
			t.Errorf("%v of a sender whose state is known: %v", out.Scope, known)
		}
		if !known {
			continue
		}
		costs[out.Tx.Sender()] += 21000 // the least
		if nonces[out.Tx.Sender()] == nil {
			nonces[out.Tx.Sender()] = map[uint64]bool{}
		}
		nonces[out.Tx.Sender()][out.Tx.Nonce()] = true
		if out.Tx.Nonce() < acct.nonce {
			t.Errorf("nonce %d goes on, the account has %d", out.Tx.Nonce(), acct.nonce)
		}
	}
	for sender, set := range nonces {
		lowest := uint64(1 << 62)
		for nonce := range set {
			lowest = min(lowest, nonce)
		}
		for nonce := range uint64(len(set)) {
			if !set[lowest+nonce] {
				t.Errorf("sender %v: %v go on, nonce %d is missing", sender, set, lowest+nonce)
				break
			}
		}
		if costs[sender] > state[sender].balance {
			t.Errorf("sender %v: %d transactions go on, the balance is %d", sender, len(set), state[sender].balance)
		}
	}
}

func BenchmarkAdd(b *testing.B) {
	txs := make([]*pool.Tx, 1<<16)
	for i := range txs {
		txs[i] = transfer(b, i%5000, uint64(i/5000), int64(100+i%97))
	}
	p := pool.New(pool.Config{Bytes: 16 << 20})
	origins := []pool.Origin{one, two}
	for i := range b.N {
		_ = p.Add(start, txs[i%len(txs)], origins[i%2])
	}
}

// BenchmarkAddBackwards is what a hostile sender makes most expensive: each nonce goes before all
// others.
func BenchmarkAddBackwards(b *testing.B) {
	p := pool.New(pool.Config{})
	for i := range b.N {
		b.StopTimer()
		tx := transfer(b, 1, uint64(1<<40-i), 100)
		b.StartTimer()
		_ = p.Add(start, tx, one)
	}
}

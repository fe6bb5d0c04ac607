package pool_test

import (
	"errors"
	"math/big"
	"net/netip"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core"
	"github.com/ethereum/go-ethereum/core/txpool"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/holiman/uint256"

	"github.com/troupe-p2p/troupe/protocols/eth/pool"
)

// TestScope: how a transaction may go on, by what is known of its sender and by the peers that announce it.
func TestScope(t *testing.T) {
	known := accounts{address(1): {balance: 1e15}}
	for _, c := range []struct {
		name  string
		state pool.State
		from  []pool.Origin
		want  pool.Scope
	}{
		{"known sender, one network", known, []pool.Origin{one}, pool.Push},
		{"unknown sender, one network", nil, []pool.Origin{one}, pool.Hold},
		{"unknown sender, one network again and again", nil, []pool.Origin{one, one, one}, pool.Hold},
		{"unknown sender, two networks", nil, []pool.Origin{one, two}, pool.Announce},
		{"unknown sender, trusted peer", nil, []pool.Origin{trusted}, pool.Announce},
		{"unknown sender, trusted peer later", nil, []pool.Origin{one, trusted}, pool.Announce},
		{"another state", accounts{}, []pool.Origin{one}, pool.Hold},
	} {
		p := pool.New(pool.Config{State: c.state})
		tx := transfer(t, 1, 0, 100)
		add(t, p, tx, c.from[0])
		first := ready(p)
		for _, from := range c.from[1:] {
			if !p.Announced(tx.Hash(), from) {
				t.Errorf("%s: the pool does not have it", c.name)
			}
		}
		all := ready(p)
		for hash, scope := range first {
			if _, twice := all[hash]; twice {
				t.Errorf("%s: ready twice", c.name)
			}
			all[hash] = scope
		}
		if got := all[tx.Hash()]; got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
		list, _, done := p.After(0, 10)
		if (len(list) == 1) != (c.want != pool.Hold) || !done || len(list) == 1 && list[0].Scope != c.want {
			t.Errorf("%s: a new peer is told %+v", c.name, list)
		}
		if held := p.State().Held; held != 0 && c.want != pool.Hold {
			t.Errorf("%s: %d held", c.name, held)
		}
	}
}

// TestAnnouncedByAnAdd: a peer that sends what the pool has announces it.
func TestAnnouncedByAnAdd(t *testing.T) {
	p := pool.New(pool.Config{})
	tx := transfer(t, 1, 0, 100)
	add(t, p, tx, one)
	if err := p.Add(start, tx, two); !errors.Is(err, txpool.ErrAlreadyKnown) {
		t.Error(err)
	}
	if got := ready(p)[tx.Hash()]; got != pool.Announce {
		t.Errorf("%v", got)
	}
	if p.Announced(common.Hash{1}, one) || p.Has(common.Hash{1}) {
		t.Error("the pool has what it never got")
	}
}

func TestNetworks(t *testing.T) {
	of := func(s string) pool.Network { return pool.NetworkOf(netip.MustParseAddr(s)) }
	for _, c := range []struct {
		a, b string
		same bool
	}{
		{"192.0.2.1", "192.0.2.200", true},
		{"192.0.2.1", "192.0.3.1", false},
		{"192.0.2.1", "::ffff:192.0.2.9", true},
		{"2001:db8:1::1", "2001:db8:1:ffff::1", true},
		{"2001:db8:1::1", "2001:db8:2::1", false},
		{"127.0.0.1", "127.9.9.9", true},
		{"127.0.0.1", "::1", true},
		{"127.0.0.1", "192.0.2.1", false},
		{"0.0.0.5", "::5", false},
	} {
		if got := of(c.a) == of(c.b); got != c.same {
			t.Errorf("%s and %s: one network %v, want %v", c.a, c.b, got, c.same)
		}
	}
	if pool.NetworkOf(netip.Addr{}) != of("::1") {
		t.Error("no address is a network of its own")
	}
}

// TestReplacement is go-ethereum's rule: a tenth more, twice as much with blobs.
func TestReplacement(t *testing.T) {
	plain := func(feeCap, tip int64) *pool.Tx {
		return newTx(t, 1, &types.DynamicFeeTx{ChainID: big.NewInt(1), Gas: 21000, GasFeeCap: big.NewInt(feeCap), GasTipCap: big.NewInt(tip)})
	}
	blob := func(feeCap, tip, blobFeeCap uint64) *pool.Tx {
		_, tx := blobTx(t, 1, types.NewCustodyBitmap([]uint64{1}), func(b *types.BlobTx) {
			b.GasFeeCap, b.GasTipCap, b.BlobFeeCap = uint256.NewInt(feeCap), uint256.NewInt(tip), uint256.NewInt(blobFeeCap)
		})
		return tx
	}
	for _, c := range []struct {
		name     string
		old, new *pool.Tx
		want     bool
	}{
		{"a tenth more", plain(100, 100), plain(110, 110), true},
		{"fee cap too low", plain(100, 100), plain(109, 110), false},
		{"tip too low", plain(100, 100), plain(120, 109), false},
		{"same price", plain(100, 100), newTx(t, 1, &types.LegacyTx{GasPrice: big.NewInt(100)}), false},
		{"1 wei more is more than a tenth", plain(7, 1), plain(8, 2), true},
		{"the same tip of 1 wei", plain(7, 1), plain(8, 1), false},
		{"legacy by its price", newTx(t, 1, &types.LegacyTx{GasPrice: big.NewInt(100)}), plain(110, 110), true},
		{"blobs, twice", blob(100, 100, 100), blob(200, 200, 200), true},
		{"blobs, fee cap", blob(100, 100, 100), blob(199, 200, 200), false},
		{"blobs, tip", blob(100, 100, 100), blob(200, 199, 200), false},
		{"blobs, blob fee cap", blob(100, 100, 100), blob(200, 200, 199), false},
		{"plain for blobs", blob(100, 100, 100), plain(199, 199), false},
		{"plain for blobs, twice", blob(100, 100, 100), plain(200, 200), true},
		{"blobs for plain", plain(100, 100), blob(199, 199, 1), false},
		{"blobs for plain, twice", plain(100, 100), blob(200, 200, 1), true},
		{"a price near the largest number", newTx(t, 1, &types.LegacyTx{GasPrice: new(big.Int).Lsh(big.NewInt(1), 255)}), newTx(t, 1, &types.LegacyTx{GasPrice: new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 256), big.NewInt(1))}), true},
	} {
		p := pool.New(pool.Config{})
		add(t, p, c.old, one)
		err := p.Add(start, c.new, one)
		if c.want != (err == nil) || !c.want && !errors.Is(err, txpool.ErrReplaceUnderpriced) {
			t.Errorf("%s: %v", c.name, err)
		}
		if p.Has(c.old.Hash()) == c.want || p.Has(c.new.Hash()) != c.want || p.State().Transactions != 1 {
			t.Errorf("%s: the pool has the old one: %v, the new: %v", c.name, p.Has(c.old.Hash()), p.Has(c.new.Hash()))
		}
	}
}

// TestIncludedLeaves: nonces follow the blocks, also for senders whose state is not known.
func TestIncludedLeaves(t *testing.T) {
	p := pool.New(pool.Config{})
	var txs []*pool.Tx
	for nonce := range uint64(5) {
		txs = append(txs, transfer(t, 1, nonce, 100))
		add(t, p, txs[nonce], one)
	}
	block := []pool.Inclusion{{Sender: address(1), Nonce: 2}, {Sender: address(2), Nonce: 9}}
	p.Included(block)
	for nonce, tx := range txs {
		if p.Has(tx.Hash()) != (nonce > 2) {
			t.Errorf("nonce %d: in the pool %v", nonce, p.Has(tx.Hash()))
		}
	}
	for _, tx := range []*pool.Tx{txs[2], transfer(t, 2, 9, 100)} {
		if err := p.Add(start, tx, one); !errors.Is(err, core.ErrNonceTooLow) {
			t.Errorf("a transaction that is included, or older: %v", err)
		}
	}
	add(t, p, transfer(t, 2, 10, 100), one)
	p.Excluded(block)
	for _, tx := range []*pool.Tx{txs[2], transfer(t, 2, 9, 100)} {
		if err := p.Add(start, tx, one); err != nil {
			t.Errorf("its block has left the chain: %v", err)
		}
	}
	if s := p.State(); s.Included != 3 || s.Senders != 2 {
		t.Errorf("%+v", s)
	}
}

// TestStateChecks: nonce and balance, with what the sender's other transactions cost.
func TestStateChecks(t *testing.T) {
	const cost = 21000*100 + 1 // of transfer(…, 100), which has a value of 1
	state := accounts{address(1): {nonce: 5, balance: 2*cost + 21000*10}}
	p := pool.New(pool.Config{State: state})
	for _, c := range []struct {
		name string
		tx   *pool.Tx
		want error
	}{
		{"old", transfer(t, 1, 4, 100), core.ErrNonceTooLow},
		{"more than the balance", transfer(t, 1, 5, 300), core.ErrInsufficientFunds},
		{"the first", transfer(t, 1, 5, 100), nil},
		{"the second", transfer(t, 1, 6, 100), nil},
		{"more than what is left", transfer(t, 1, 7, 100), core.ErrInsufficientFunds},
		{"a replacement for what is left", transfer(t, 1, 6, 110), nil},
		{"a replacement for more than that", transfer(t, 1, 6, 130), core.ErrInsufficientFunds},
		{"more than a number has", newTx(t, 1, &types.LegacyTx{Nonce: 9, Gas: 1 << 63, GasPrice: new(big.Int).Lsh(big.NewInt(1), 255)}), core.ErrInsufficientFunds},
	} {
		if err := p.Add(start, c.tx, one); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
	if s := p.State(); s.Transactions != 2 || s.Held != 0 {
		t.Errorf("%+v", s)
	}
}

// TestMissingInADump: a sender that a dump does not have has nothing.
func TestMissingInADump(t *testing.T) {
	p := pool.New(pool.Config{State: new(pool.Dump)})
	if err := p.Add(start, transfer(t, 1, 0, 100), trusted); !errors.Is(err, core.ErrInsufficientFunds) {
		t.Error(err)
	}
	if s := p.State(); s.Transactions != 0 || s.Senders != 0 || s.Bytes != 0 {
		t.Errorf("a refused transaction leaves %+v", s)
	}
}

// TestRecheck: what an account no longer pays for leaves, and an account that becomes known gets its
// transactions out.
func TestRecheck(t *testing.T) {
	const cost = 21000*100 + 1
	state := accounts{}
	p := pool.New(pool.Config{State: state})
	var txs []*pool.Tx
	for nonce := range uint64(4) {
		txs = append(txs, transfer(t, 1, nonce, 100))
		add(t, p, txs[nonce], one)
	}
	if len(ready(p)) != 0 || p.State().Held != 4 {
		t.Fatalf("%+v", p.State())
	}
	state[address(1)] = account{nonce: 1, balance: 2 * cost}
	p.Recheck(address(1), address(2))
	got := ready(p)
	for nonce, tx := range txs {
		if want := nonce == 1 || nonce == 2; p.Has(tx.Hash()) != want || got[tx.Hash()] == pool.Push != want {
			t.Errorf("nonce %d: in the pool %v, may go on: %v", nonce, p.Has(tx.Hash()), got[tx.Hash()])
		}
	}
	if err := p.Add(start, txs[3], one); !errors.Is(err, core.ErrInsufficientFunds) {
		t.Errorf("what was too expensive a moment ago: %v", err)
	}
	state[address(1)] = account{nonce: 3}
	p.Recheck(address(1))
	if s := p.State(); s.Transactions != 0 || s.Senders != 0 || s.Bytes != 0 || s.Included != 3 || s.Unfunded != 1 {
		t.Errorf("%+v", s)
	}
}

// TestGaps: with a state, a transaction waits until those before it are there.
func TestGaps(t *testing.T) {
	p := pool.New(pool.Config{State: rich{}})
	tx := func(nonce uint64) *pool.Tx { return transfer(t, 1, nonce, 100) }
	expect := func(step string, want ...uint64) {
		t.Helper()
		got := ready(p)
		for _, nonce := range want {
			if got[tx(nonce).Hash()] != pool.Push {
				t.Errorf("%s: nonce %d may not go on", step, nonce)
			}
		}
		if len(got) != len(want) {
			t.Errorf("%s: %d may go on, want %v", step, len(got), want)
		}
	}
	add(t, p, tx(2), trusted)
	expect("a gap of two")
	add(t, p, tx(1), trusted)
	expect("a gap of one")
	add(t, p, tx(0), trusted)
	expect("no gap", 0, 1, 2)
	add(t, p, tx(4), trusted)
	expect("another gap")
	p.Included([]pool.Inclusion{{Sender: address(1), Nonce: 3}})
	expect("the gap was filled by a block", 4)
	if s := p.State(); s.Transactions != 1 {
		t.Errorf("%+v", s)
	}
}

// TestReadyAfterAGap: what was ready, but has lost one before it, is not sent until the gap is filled.
func TestReadyAfterAGap(t *testing.T) {
	p := pool.New(pool.Config{State: rich{}, Lifetime: time.Minute})
	first, second := transfer(t, 1, 0, 100), transfer(t, 1, 1, 100)
	add(t, p, first, one)
	if err := p.Add(start.Add(time.Second), second, one); err != nil {
		t.Fatal(err)
	}
	p.Expire(start.Add(time.Minute))
	if got := ready(p); len(got) != 0 {
		t.Errorf("sent across a gap: %v", got)
	}
	if err := p.Add(start.Add(time.Minute), first, one); err != nil {
		t.Fatal(err)
	}
	if got := ready(p); len(got) != 2 {
		t.Errorf("%d sent after the gap was filled, want 2", len(got))
	}
}

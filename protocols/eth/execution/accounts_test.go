package execution_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/troupe-p2p/troupe/protocols/eth/execution"
	"github.com/troupe-p2p/troupe/protocols/eth/pool"
)

var _ pool.State = (*execution.Node)(nil)

// known records what AccountsChanged says.
type known struct {
	mu   sync.Mutex
	list []common.Address
}

func (k *known) add(addrs []common.Address) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.list = append(k.list, addrs...)
}

func (k *known) count(addr common.Address) (n int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, a := range k.list {
		if a == addr {
			n++
		}
	}
	return n
}

func addrOf(n int) common.Address { return common.Address{1, byte(n >> 8), byte(n)} }

// TestAccounts: an account is asked for at the first look, and known after it. What cannot be known
// is unknown, and never an account that has nothing.
func TestAccounts(t *testing.T) {
	main := grow(nil, "main", 100)
	null := func(string) any { return nil }
	text := func(string) any { return "none" }
	half := func(method string) any {
		if method == "balance" {
			return errors.New("missing trie node")
		}
		return "0x1"
	}
	large := func(string) any { return "0x1ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff" }
	for name, c := range map[string]struct {
		has     any
		nonce   uint64
		balance uint64
		ok      bool
	}{
		"rich":                {&entry{7, 1000}, 7, 1000, true},
		"nothing":             {nil, 0, 0, true},
		"an error":            {errors.New("required historical state unavailable"), 0, 0, false},
		"half an answer":      {half, 0, 0, false},
		"null":                {null, 0, 0, false},
		"a text":              {text, 0, 0, false},
		"numbers too large":   {large, 0, 0, false},
		"an empty text":       {func(string) any { return "" }, 0, 0, false},
		"a number without 0x": {func(string) any { return "12" }, 0, 0, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var told known
				s := newServer(t, main)
				s.accounts[addrOf(1)] = c.has
				n := run(t, s, func(c *execution.Config) { c.AccountsChanged = told.add })
				synctest.Wait()
				if _, _, ok := n.Account(addrOf(1)); ok {
					t.Error("known before it was asked for")
				}
				synctest.Wait()
				nonce, balance, ok := n.Account(addrOf(1))
				if ok != c.ok || ok && (nonce != c.nonce || balance.Uint64() != c.balance) {
					t.Errorf("%d, %v, %v; want %+v", nonce, &balance, ok, c)
				}
				if n := told.count(addrOf(1)); (n > 0) != c.ok {
					t.Errorf("told %d times", n)
				}
			})
		})
	}
}

// TestAccountsFollow: with each new head an account that is looked at is asked for anew, and until the
// answer comes the last one counts, but no old one, and none of a branch that was left.
func TestAccountsFollow(t *testing.T) {
	main := grow(nil, "main", 200)
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, main[:101])
		n := run(t, s, nil)
		want := func(what string, nonce uint64, ok bool) {
			t.Helper()
			if got, _, is := n.Account(addrOf(1)); is != ok || ok && got != nonce {
				t.Errorf("%s: nonce %d, %v; want %d, %v", what, got, is, nonce, ok)
			}
			synctest.Wait()
		}
		has := func(nonce uint64) { s.set(func(s *server) { s.accounts[addrOf(1)] = &entry{nonce, 1} }) }
		to := func(to int) { s.head(main[:to]); synctest.Wait() }
		has(1)
		synctest.Wait()
		want("at first", 0, false)
		want("after the answer", 1, true)
		for i := range 50 {
			want("at the same head", 1, true)
			if asked := s.called("nonce"); asked != 1 {
				t.Fatalf("%d look-ups after %d looks", asked, i)
			}
		}
		has(2)
		to(102)
		want("the answer before", 1, true)
		want("the new answer", 2, true)
		to(133)
		want("31 blocks later", 2, true)
		to(165)
		want("32 blocks later", 0, false)
		want("known again", 2, true)
		s.head(grow(main[:160], "other", 170))
		synctest.Wait()
		want("of a branch that was left", 0, false)
		want("of the new one", 2, true)
		s.stop()
		after(10 * time.Second)
		want("soon after the node went away", 2, true)
		after(time.Minute)
		want("long after", 0, false)
		asked := s.called("nonce")
		s.restart(t)
		after(15 * time.Second)
		if got := s.called("nonce"); got != asked {
			t.Errorf("%d look-ups that were wanted while the node was away", got-asked)
		}
		want("the node is back", 2, true)
	})
}

// TestPrepare: what is prepared is known then, in few calls, or found out to be unknown in bounded
// time.
func TestPrepare(t *testing.T) {
	main := grow(nil, "main", 100)
	var many []common.Address
	for i := range 5000 {
		many = append(many, addrOf(i))
	}
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, main)
		n := run(t, s, nil)
		n.Prepare(t.Context(), many[0])
		if _, _, ok := n.Account(many[0]); ok {
			t.Error("known before the node was asked") // and Prepare did not wait
		}
		synctest.Wait()
		n.Prepare(t.Context(), many...)
		count := 0
		for _, addr := range many {
			if _, _, ok := n.Account(addr); ok {
				count++
			}
		}
		if calls := n.State().AccountCalls; count != 4096 || calls > 90 {
			t.Errorf("%d of 5000 known, %d calls", count, calls)
		}
		s.set(func(s *server) { s.hang = make(chan struct{}) })
		s.head(grow(main, "main", 101))
		begin := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		n.Prepare(ctx, addrOf(10_000))
		n.Prepare(t.Context(), addrOf(10_001))
		if took := time.Since(begin); took > 25*time.Second {
			t.Errorf("took %v", took)
		}
		if _, _, ok := n.Account(addrOf(10_001)); ok {
			t.Error("known by a node that does not answer")
		}
		for range 100 { // it is known that the node does not answer for accounts
			n.Prepare(t.Context(), addrOf(10_002))
		}
		if took := time.Since(begin); took > 25*time.Second {
			t.Errorf("took %v", took)
		}
		s.set(func(s *server) { close(s.hang); s.hang = nil })
	})
}

// TestNoAccounts: a node that gives heads, and no accounts, is used for the heads. The log says so
// once.
func TestNoAccounts(t *testing.T) {
	main := grow(nil, "main", 100)
	synctest.Test(t, func(t *testing.T) {
		var log healths
		s := newServer(t, main)
		refuse := func(err any) {
			s.set(func(s *server) {
				for i := range 10 {
					s.accounts[addrOf(i)] = err
				}
			})
		}
		refuse(errors.New("the method does not exist"))
		n := run(t, s, logged(&log))
		synctest.Wait()
		look := func() {
			for range 100 {
				for i := range 10 {
					n.Account(addrOf(i))
				}
				after(100 * time.Millisecond)
			}
		}
		look()
		refuse(nil)
		look()
		want := []string{gives, "WARN execution node does not answer for accounts", "INFO execution node answers for accounts"}
		if got := log.take(); !slices.Equal(got, want) {
			t.Errorf("log %q", got)
		}
		if calls := s.called("nonce"); calls > 10*15 {
			t.Errorf("%d look-ups in 20 s, most of which failed", calls)
		}
	})
}

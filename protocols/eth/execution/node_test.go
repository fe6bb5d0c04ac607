package execution_test

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/troupe-p2p/troupe/protocols/eth/execution"
	"github.com/troupe-p2p/troupe/protocols/eth/verify"
)

func after(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// wantHead checks that the head is the last block of a chain, and that the headers before it are the chain's.
func wantHead(t *testing.T, n *execution.Node, chain []verify.Header, least int, stale bool) {
	t.Helper()
	h := n.Head()
	if h.Stale != stale || len(h.Headers) < least {
		t.Fatalf("%d headers, stale %v; want %d, %v; %+v", len(h.Headers), h.Stale, least, stale, n.State())
	}
	for i, got := range h.Headers {
		if want := chain[len(chain)-len(h.Headers)+i]; got.Hash != want.Hash || !bytes.Equal(got.Encoded, want.Encoded) {
			t.Fatalf("header %d of %d is %d %v, want %d %v", i, len(h.Headers), got.Number, got.Hash, want.Number, want.Hash)
		}
	}
}

// TestHead: the head is that of the node, with the headers before it, and follows by subscription at
// once, and without in some seconds: also over gaps and to other branches.
func TestHead(t *testing.T) {
	main := grow(nil, "main", 400)
	for _, deaf := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			s := newServer(t, main[:101])
			s.deaf = deaf
			n := run(t, s, nil)
			synctest.Wait()
			wantHead(t, n, main[:101], 33, false)
			for _, c := range []struct {
				name  string
				chain []verify.Header
				least int
			}{
				{"the next", main[:102], 34},
				{"some at once", main[:111], 43},
				{"more than are asked for", main[:301], 33},
				{"one of another branch", grow(main[:300], "other", 300), 33},
				{"a branch of some blocks", grow(main[:290], "third", 305), 33},
				{"back to a block before", main[:280], 11},
				{"a chain with nothing in common", grow(main[:1], "fourth", 200), 33},
				{"a few blocks alone", main[:4], 4},
			} {
				s.head(c.chain)
				if deaf {
					after(4 * time.Second)
				} else {
					synctest.Wait()
				}
				t.Log(c.name)
				wantHead(t, n, c.chain, c.least, false)
			}
			if l := len(n.Head().Headers); l > 64 {
				t.Errorf("%d headers", l)
			}
			before := s.called("block")
			after(time.Minute)
			if asked, most := s.called("block")-before, map[bool]int{false: 12, true: 32}[deaf]; asked > most {
				t.Errorf("%d blocks asked for in a minute without a new one", asked)
			}
		})
	}
}

// TestSilentSubscription: a node that tells of no new head, though it should, is asked.
func TestSilentSubscription(t *testing.T) {
	main := grow(nil, "main", 110)
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, main[:101])
		n := run(t, s, nil)
		synctest.Wait()
		s.set(func(s *server) { s.chain = main })
		after(12 * time.Second)
		wantHead(t, n, main, 33, false)
	})
}

// healths records the log of a node: its levels and messages.
type healths struct {
	mu  sync.Mutex
	got []string
}

func (h *healths) Write(b []byte) (int, error) {
	var line struct{ Level, Msg string }
	if err := json.Unmarshal(b, &line); err != nil {
		return 0, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.got = append(h.got, line.Level+" "+line.Msg)
	return len(b), nil
}

func (h *healths) take() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	got := h.got
	h.got = nil
	return got
}

func logged(h *healths) func(*execution.Config) {
	return func(c *execution.Config) { c.Log = slog.New(slog.NewJSONHandler(h, nil)) }
}

const (
	gives   = "INFO execution node gives the head"
	silent  = "WARN execution node does not answer"
	foreign = "ERROR execution node is of another chain and is not used"
	stands  = "WARN execution node has no new block"
	fresh   = "INFO execution node has no block yet"
)

// TestHealth: what a node is, its head, and the log: one line for each change.
func TestHealth(t *testing.T) {
	main := grow(nil, "main", 400)
	foreignChain := grow(nil, "foreign", 300)
	set := func(f func(*server)) func(*server) { return func(s *server) { s.set(f) } }
	lie := func(f func(b map[string]any) any) func(*server) { return set(func(s *server) { s.lie = f }) }
	liar := lie(func(b map[string]any) any { b["gasLimit"] = "0x5"; return b })
	null := lie(func(b map[string]any) any { return nil })
	text := lie(func(b map[string]any) any { return "a block" })
	half := lie(func(b map[string]any) any { delete(b, "stateRoot"); return b })
	run101, none := main[:101], []verify.Header(nil)
	type step struct {
		do     func(*server)
		wait   time.Duration
		health execution.Health
		head   []verify.Header
		stale  bool
		log    []string
		reason string
	}
	const within, later = 10 * time.Second, time.Minute
	for name, steps := range map[string][]step{
		"goes away": {
			{nil, 0, execution.Working, run101, false, []string{gives}, ""},
			{(*server).stop, within, execution.Working, run101, false, nil, "refused"},
			{nil, later, execution.Unavailable, run101, true, []string{silent}, "refused"},
			{nil, time.Hour, execution.Unavailable, run101, true, nil, "refused"},
			{func(s *server) { s.restart(t); s.head(main[:104]) }, 15 * time.Second, execution.Working, main[:104], false, []string{gives}, ""},
		},
		"restarts": {
			{nil, 0, execution.Working, run101, false, []string{gives}, ""},
			{(*server).stop, within, execution.Working, run101, false, nil, "refused"},
			{func(s *server) { s.restart(t); s.head(main[:104]) }, within, execution.Working, main[:104], false, nil, ""},
		},
		"is not there at first": {
			{(*server).stop, 0, execution.Unavailable, none, true, []string{silent}, "refused"},
			{func(s *server) { s.restart(t) }, 15 * time.Second, execution.Working, run101, false, []string{gives}, ""},
		},
		"another chain ID": {
			{set(func(s *server) { s.id = 1 }), 0, execution.OtherChain, none, false, []string{foreign}, "chain ID is 1, want 77"},
			{nil, time.Hour, execution.OtherChain, none, false, nil, "chain ID"},
			{set(func(s *server) { s.id = chainID }), 15 * time.Second, execution.Working, run101, false, []string{gives}, ""},
		},
		"another genesis block": {
			{set(func(s *server) { s.chain = foreignChain }), 0, execution.OtherChain, none, false, []string{foreign}, foreignChain[0].Hash.Hex()},
		},
		"is replaced by one of another chain": {
			{nil, 0, execution.Working, run101, false, []string{gives}, ""},
			{func(s *server) { s.head(foreignChain) }, 0, execution.OtherChain, none, false, []string{foreign}, "genesis block"},
			{(*server).stop, later, execution.OtherChain, none, false, nil, "refused"},
		},
		"is slow": {
			{nil, 0, execution.Working, run101, false, []string{gives}, ""},
			{set(func(s *server) { s.hang = make(chan struct{}) }), later, execution.Unavailable, run101, true, []string{silent}, "deadline"},
			{set(func(s *server) { close(s.hang); s.hang = nil }), 30 * time.Second, execution.Working, run101, false, []string{gives}, ""},
		},
		"stalls": {
			{nil, 4 * time.Minute, execution.Working, run101, false, []string{gives}, ""},
			{nil, 2 * time.Minute, execution.Stalled, run101, true, []string{stands}, ""},
			{nil, time.Hour, execution.Stalled, run101, true, nil, ""},
			{func(s *server) { s.head(main[:102]) }, 0, execution.Working, main[:102], false, []string{gives}, ""},
		},
		"syncs": {
			{set(func(s *server) { s.chain = main[:1] }), 0, execution.WithoutHead, none, false, []string{fresh}, ""},
			{func(s *server) { s.head(run101) }, 0, execution.Working, run101, false, []string{gives}, ""},
		},
		"lies": {
			{liar, 0, execution.Unavailable, none, true, []string{silent}, "the header's hash is"},
			{lie(nil), 15 * time.Second, execution.Working, run101, false, []string{gives}, ""},
			{liar, later, execution.Unavailable, run101, true, []string{silent}, "the header's hash is"},
		},
		"gives null":         {{null, 0, execution.Unavailable, none, true, []string{silent}, "block 0: the node does not have it"}},
		"gives a string":     {{text, 0, execution.Unavailable, none, true, []string{silent}, "cannot unmarshal string"}},
		"gives half a block": {{half, 0, execution.Unavailable, none, true, []string{silent}, "stateRoot"}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var log healths
				s := newServer(t, run101)
				var n *execution.Node
				for i, st := range steps {
					if st.do != nil {
						st.do(s)
					}
					if i == 0 {
						n = run(t, s, logged(&log))
					}
					after(st.wait)
					got := n.State()
					if got.Health != st.health || !strings.Contains(got.Reason, st.reason) || (st.reason == "") != (got.Reason == "") {
						t.Errorf("step %d: %s, %q; want %s, %q", i, got.Health, got.Reason, st.health, st.reason)
					}
					if l := log.take(); !slices.Equal(l, st.log) {
						t.Errorf("step %d: log %q, want %q", i, l, st.log)
					}
					want := common.Hash{}
					if len(st.head) > 0 {
						want = st.head[len(st.head)-1].Hash
					}
					if got.Head != want {
						t.Errorf("step %d: head %d %v, want %v", i, got.Number, got.Head, want)
					}
					wantHead(t, n, st.head, min(len(st.head), 33), st.stale)
				}
			})
		})
	}
}

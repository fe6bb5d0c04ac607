package actors

import (
	"errors"
	"fmt"
	"hash/maphash"
	"testing"

	"github.com/troupe-p2p/troupe/actors/actortest"
)

// TestTokenInEveryInterleaving takes every order of request, grant, begin, return, crash,
// restart, taking back, write error and disconnect for three children, with everything that may
// be unread in a mailbox meanwhile, and checks T1 and T3 to T7 in every reachable state.
func TestTokenInEveryInterleaving(t *testing.T) {
	pinging := [3]slot{pingerSlot, firstProtocolSlot, firstProtocolSlot + 1}
	protocols := [3]slot{firstProtocolSlot, firstProtocolSlot + 1, firstProtocolSlot + 2}
	for _, tt := range []struct {
		name  string
		slots [3]slot
		sends int
		trouble
	}{
		{"pinger and two protocols", pinging, 1, trouble{crashes: 1, naps: 1, disconnects: 1}},
		{"three protocols", protocols, 1, trouble{crashes: 1, naps: 1, errors: 1, disconnects: 1}},
		{"three protocols with more to write", protocols, 2, trouble{naps: 1}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if actortest.Race { // one goroutine only, so the race detector finds nothing; run a part
				tt.naps, tt.errors = 0, 0
			}
			e := explorer{seen: map[[2]uint64]struct{}{}, seeds: [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}}
			if err := e.visit(newWorld(tt.slots, tt.sends, tt.trouble)); err != nil {
				t.Fatalf("%v\nafter %v", err, e.path)
			}
			t.Logf("%d states, %d of them quiet, longest path %d steps", len(e.seen), e.quiet, e.longest)
			if e.quiet == 0 {
				t.Error("no state was reached in which everything had finished")
			}
		})
	}
}

// explorer visits every state once, depth first.
type explorer struct {
	seen    map[[2]uint64]struct{} // hashes of keys, long enough to make collisions impossible in practice
	seeds   [2]maphash.Seed
	path    []step // the steps to the current state
	longest int
	quiet   int
}

func (e *explorer) visit(w *world) error {
	k := w.key()
	key := [2]uint64{maphash.Bytes(e.seeds[0], k), maphash.Bytes(e.seeds[1], k)}
	if _, ok := e.seen[key]; ok {
		return nil
	}
	e.seen[key] = struct{}{}
	e.longest = max(e.longest, len(e.path))
	if err := w.check(); err != nil {
		return err
	}
	steps, quiet := w.steps()
	if quiet {
		e.quiet++
		if err := w.checkQuiet(); err != nil {
			return err
		}
	}
	for _, s := range steps {
		next := w.clone()
		var c *modelChild
		if s.slot != peerSlot {
			c = next.child(s.slot)
		}
		e.path = append(e.path, s)
		if err := s.do(next, c); err != nil {
			return err
		}
		if err := e.visit(next); err != nil {
			return err
		}
		e.path = e.path[:len(e.path)-1]
	}
	return nil
}

// check checks what holds in every state.
func (w *world) check() error {
	out := w.name(w.arb.out)
	for id, t := range w.tokens {
		state := t.state.Load()
		// T1: never duplicated.
		if live := state == granted || state == writing; live && id != out && !w.arb.dead {
			return fmt.Errorf("T1: token of %d is in state %d, but another one is out", t.holder, state)
		}
		// T3: a token that is not in use cannot be used.
		if state != writing && !errors.Is(t.write(nil, nil), errStaleToken) {
			return fmt.Errorf("T3: a token of %d in state %d writes", t.holder, state)
		}
	}
	if w.arb.out != nil {
		// T1: never lost. Its holder has it, or a message about it is on its way.
		if !w.found(out) {
			return fmt.Errorf("T1: the token of %d in state %d is lost", w.arb.out.holder, w.arb.out.state.Load())
		}
		if w.farewells > 0 {
			return fmt.Errorf("T6: a grant is out after the farewell")
		}
	}
	return nil
}

// found reports whether a token is with its holder or on its way to the peer.
func (w *world) found(id int) bool {
	c := w.child(w.tokens[id].holder)
	for _, m := range w.system {
		if m.slot == c.slot { // its failure or its end, which settles all
			return true
		}
	}
	switch w.tokens[id].state.Load() {
	case granted:
		if c.rest == id {
			return true
		}
		for _, unread := range c.inbox {
			if unread == id {
				return true
			}
		}
	case writing:
		// A crash on a closing link is settled when the child is gone.
		return c.holding == id || c.condition == failed || c.condition == suspended && w.closing
	case returned:
		for _, m := range w.mailbox {
			if m.kind == "return" && m.token == id {
				return true
			}
		}
	}
	return false
}

// checkQuiet checks what holds when everything has finished. One child may be in a handler that
// never returns.
func (w *world) checkQuiet() error {
	if w.closing {
		if w.farewells != 1 {
			return fmt.Errorf("T6: closing led to %d farewells", w.farewells)
		}
		return nil
	}
	for i := range w.children {
		if c := &w.children[i]; c.condition == awake && c.work > 0 {
			return fmt.Errorf("T1, T7: child %d waits for ever with %d messages; out: %v, in line: %v, requested: %v",
				c.slot, c.work, w.arb.out != nil, w.line, c.requested)
		}
	}
	return nil
}

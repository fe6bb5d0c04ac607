package actors

import (
	"cmp"
	"slices"
)

// key identifies a world: worlds with equal keys have the same future. Protocols are
// interchangeable, so the key names them by their state, not by slot; tokens are named in the
// order in which they appear.
func (w *world) key() []byte {
	k := keyWriter{world: w, tokens: make([]int, len(w.tokens)), b: make([]byte, 0, 160)}
	for i := range k.tokens {
		k.tokens[i] = none
	}
	order := []*modelChild{&w.children[0], &w.children[1], &w.children[2]}
	slices.SortStableFunc(order, func(a, b *modelChild) int { return cmp.Compare(a.rank(w), b.rank(w)) })
	for i, c := range order {
		if c.slot >= firstProtocolSlot {
			k.names[c.slot] = i
		} else {
			k.names[c.slot] = -1 - int(c.slot)
		}
	}
	for _, c := range order {
		k.slot(c.slot)
		k.nums(c.condition, c.work, c.sends, len(c.inbox))
		k.flags(c.requested)
		for _, t := range c.inbox {
			k.token(t)
		}
		k.token(c.grab)
		k.token(c.rest)
		k.token(c.holding)
	}
	k.token(w.name(w.arb.out))
	k.slots(w.arb.urgent)
	k.slots(w.arb.queue)
	k.slots(w.line)
	k.flags(w.arb.closing, w.arb.dead, w.timer, w.cause, w.closing)
	k.token(w.timerFor)
	k.nums(w.farewells, w.crashes, w.naps, w.errors, w.disconnects)
	for _, list := range [][]mail{w.system, w.mailbox} {
		k.nums(len(list))
		for _, m := range list {
			k.b = append(k.b, m.kind[0], m.kind[len(m.kind)-1])
			k.slot(m.slot)
			k.token(m.token)
			k.flags(m.err, m.again)
			k.nums(int(m.state))
		}
	}
	return k.b
}

// rank orders children by their state.
func (c *modelChild) rank(w *world) int {
	r := c.condition
	for _, n := range []int{c.work, c.sends, len(c.inbox), c.grab + 1, c.rest + 1, c.holding + 1, slices.Index(w.line, c.slot) + 1} {
		r = r<<5 | n
	}
	if c.slot < firstProtocolSlot {
		return -1
	}
	return r
}

type keyWriter struct {
	*world
	names  [8]int // of slots
	tokens []int  // none: not seen yet
	called int
	b      []byte
}

func (k *keyWriter) nums(list ...int) {
	for _, n := range list {
		k.b = append(k.b, byte(n+8))
	}
}

func (k *keyWriter) flags(list ...bool) {
	for _, f := range list {
		if f {
			k.b = append(k.b, '+')
		} else {
			k.b = append(k.b, '-')
		}
	}
}

func (k *keyWriter) slot(s slot) { k.nums(k.names[s]) }

func (k *keyWriter) slots(list []slot) {
	k.nums(len(list))
	for _, s := range list {
		k.slot(s)
	}
}

func (k *keyWriter) token(id int) {
	if id == none {
		k.nums(none)
		return
	}
	if k.tokens[id] == none {
		k.tokens[id] = k.called
		k.called++
		k.slot(k.world.tokens[id].holder)
		k.nums(int(k.world.tokens[id].state.Load()))
	}
	k.nums(k.tokens[id])
}

package actors

import (
	"errors"
	"fmt"
	"slices"
)

// This file has the turns of the model's children and peer. They repeat what host, pinger and
// peer do; every decision about the token is made by the production arbiter and the production
// token.

var errModel = errors.New("connection reset")

// childSends queues a message. A host requests the token once; the pinger requests it each time.
func (w *world) childSends(c *modelChild) error {
	c.sends--
	c.work++
	if !c.requested && c.rest != none && !w.cause {
		id := c.rest
		c.rest = none
		if w.tokens[id].begin() {
			c.holding, c.requested = id, true
			return w.checkBegin(id)
		}
	}
	if !c.requested || c.slot == pingerSlot {
		w.ask(c)
	}
	return nil
}

func (w *world) ask(c *modelChild) {
	c.requested = true
	w.mailbox = append(w.mailbox, mail{kind: "request", slot: c.slot, token: none})
}

// childReads takes a token out of the mailbox. If it is stale, the child requests it again.
func (w *world) childReads(c *modelChild) error {
	id := c.inbox[0]
	c.inbox = c.inbox[1:]
	if c.grab == id {
		c.grab = none
	}
	if w.tokens[id].begin() {
		c.holding = id
		return w.checkBegin(id)
	}
	if w.tokens[id].state.Load() == revoked {
		c.requested = false
		if c.slot == pingerSlot {
			c.work = 1 // it pings in any case
		}
		if c.work > 0 {
			w.ask(c)
		}
	}
	return nil
}

// childGrabs uses a token in the middle of a batch; the token stays in the mailbox.
func (w *world) childGrabs(c *modelChild) error {
	id := c.grab
	c.grab = none
	if !w.tokens[id].begin() {
		return nil
	}
	c.holding = id
	return w.checkBegin(id)
}

// checkBegin checks T3 and T6: only the current grant may be begun, and none once the link is
// closing.
func (w *world) checkBegin(id int) error {
	if w.tokens[id] != w.arb.out {
		return fmt.Errorf("T3: a token that is not the one granted was begun")
	}
	if w.closing {
		return fmt.Errorf("T6: a grant was begun while the link was closing")
	}
	return nil
}

func (w *world) childReturns(c *modelChild) error      { return w.childEnds(c, nil) }
func (w *world) childFailsToWrite(c *modelChild) error { w.errors--; return w.childEnds(c, errModel) }

func (w *world) childEnds(c *modelChild, err error) error {
	c.work = max(0, c.work-1)
	c.requested = c.work > 0
	back := w.tokens[c.holding].end(err, c.requested)
	w.mailbox = append(w.mailbox, mail{
		kind: "return", slot: c.slot, token: c.holding, err: back.err != nil, again: back.again,
	})
	c.holding = none
	return nil
}

func (w *world) childSleeps(c *modelChild) error {
	w.naps--
	c.condition = asleep
	return nil
}

// childCrashes panics in the child's own turn: it may be writing, or have the token unread in its
// mailbox, or its return on the way.
func (w *world) childCrashes(c *modelChild) error {
	w.crashes--
	state := int32(unknown)
	if out := w.arb.out; out != nil && out.holder == c.slot {
		state = out.state.Load()
	}
	c.condition, c.holding = failed, none
	w.system = append(w.system, mail{kind: "failure", slot: c.slot, token: none, state: state})
	return nil
}

// childRestarts is a new incarnation. What a host has queued survives; the pinger's ping does
// not, but its next check sends another.
func (w *world) childRestarts(c *modelChild) error {
	c.condition, c.requested = awake, false
	if c.slot == pingerSlot {
		c.work = 0
	}
	if c.work > 0 {
		w.ask(c)
	}
	return nil
}

func (w *world) childStops(c *modelChild) error {
	c.condition, c.inbox, c.grab, c.rest, c.work = stopped, nil, none, none, 0
	w.system = append(w.system, mail{kind: "terminated", slot: c.slot, token: none})
	return nil
}

func (w *world) disconnect(*modelChild) error {
	w.disconnects--
	w.end()
	return nil
}

func (w *world) end() {
	if !w.cause {
		w.cause = true
		w.mailbox = append(w.mailbox, mail{kind: "close", token: none})
	}
}

func (w *world) grantTimerFires(*modelChild) error {
	w.mailbox = append(w.mailbox, mail{kind: "grant timeout", token: w.timerFor})
	w.timer, w.timerFor = false, none
	return nil
}

// peerTurn handles one message of the peer, system messages first.
func (w *world) peerTurn() error {
	var m mail
	if len(w.system) > 0 {
		m, w.system = w.system[0], w.system[1:]
	} else {
		m, w.mailbox = w.mailbox[0], w.mailbox[1:]
	}
	switch m.kind {
	case "request":
		w.wait(m.slot)
		w.arb.request(m.slot)
		return w.grantNext()
	case "return":
		return w.takeBack(m)
	case "grant timeout":
		return w.grantTimedOut(m)
	case "close":
		return w.close()
	case "failure":
		return w.childFailed(m)
	case "terminated":
		held := w.arb.out != nil && w.arb.out.holder == m.slot
		w.arb.failed(m.slot)
		if held && w.closing && w.arb.out == nil {
			return w.farewell()
		}
		return nil
	}
	panic("unknown mail " + m.kind)
}

// close begins the end. Requests made after it make no difference, so the model drops them.
func (w *world) close() error {
	w.closing, w.line = true, nil
	w.timer, w.timerFor = false, none
	w.mailbox = slices.DeleteFunc(slices.Clone(w.mailbox), func(m mail) bool { return m.kind == "request" || m.kind == "grant timeout" })
	for i := range w.children {
		w.children[i].work, w.children[i].sends = 0, 0
	}
	if w.arb.close() || w.arb.dead {
		return w.farewell()
	}
	return nil
}

func (w *world) grantTimedOut(m mail) error {
	late := w.tokens[m.token]
	if w.arb.contested() && w.arb.out == late {
		w.arb.reclaim()
		if w.arb.out == late || late.state.Load() != revoked {
			return fmt.Errorf("T7: an unused grant stayed with %d, though %v wait", late.holder, w.line)
		}
	}
	return w.grantNext()
}

func (w *world) wait(s slot) {
	if !w.closing && !slices.Contains(w.line, s) {
		w.line = append(w.line, s)
	}
}

func (w *world) takeBack(m mail) error {
	current := w.tokens[m.token] == w.arb.out
	back := &w.tokens[m.token].back
	if accepted := w.arb.accept(back); accepted != current {
		return fmt.Errorf("T3: return of a token: accepted %v, but it is the current grant: %v", accepted, current)
	}
	if !current {
		return nil
	}
	if m.again {
		w.wait(m.slot)
	}
	if m.err {
		w.end()
	}
	if w.closing {
		return w.farewell()
	}
	if m.err {
		return nil
	}
	return w.grantNext()
}

// childFailed is the supervisor's HandleFailure, in the peer's turn. On a closing link the child
// is stopped, and the rest happens when it is gone.
func (w *world) childFailed(m mail) error {
	w.child(m.slot).condition = suspended
	if w.closing {
		return nil
	}
	w.line = slices.DeleteFunc(w.line, func(s slot) bool { return s == m.slot })
	usable := w.arb.failed(m.slot)
	// By now its grant may have been taken back or accepted; only a crash during a write must
	// have consequences.
	if crashed := m.state == writing; crashed == usable {
		return fmt.Errorf("T4: child %d crashed with its token in state %d; the link can go on: %v", m.slot, m.state, usable)
	}
	if !usable {
		w.end()
		return nil
	}
	return w.grantNext()
}

// farewell checks T6: it happens once, and no child writes then.
func (w *world) farewell() error {
	w.farewells++
	for _, t := range w.tokens {
		if t.state.Load() == writing && !w.arb.dead {
			return fmt.Errorf("T6: farewell while child %d is writing", t.holder)
		}
	}
	if w.farewells > 1 {
		return fmt.Errorf("T6: %d farewells", w.farewells)
	}
	return nil
}

// grantNext grants, checks that the right child is next (T5), and delivers.
func (w *world) grantNext() error {
	if w.cause {
		return nil
	}
	if t := w.arb.grant(); t != nil {
		if next := w.turn(); next != t.holder {
			return fmt.Errorf("T5: granted to %d, though %v wait in this order", t.holder, w.line)
		}
		w.line = slices.DeleteFunc(w.line, func(s slot) bool { return s == t.holder })
		id := len(w.tokens)
		w.tokens = append(w.tokens, t)
		c := w.child(t.holder)
		if c.condition != stopped {
			c.inbox = append(c.inbox, id)
			if c.slot >= firstProtocolSlot {
				c.grab, c.rest = id, none
			}
		}
	} else if t := w.arb.rest(); t != nil {
		if len(w.line) > 0 {
			return fmt.Errorf("T5: the token rests, though %v wait", w.line)
		}
		w.tokens = append(w.tokens, t)
		w.child(t.holder).grab, w.child(t.holder).rest = none, len(w.tokens)-1
	}
	if out := w.arb.out; out != nil && out.resting && out.state.Load() == granted && len(w.line) > 0 {
		return fmt.Errorf("T7: the token rests with %d, though %v wait", out.holder, w.line)
	}
	if !w.timer && !slices.ContainsFunc(w.mailbox, func(m mail) bool { return m.kind == "grant timeout" }) && w.arb.contested() {
		w.timer, w.timerFor = true, w.name(w.arb.out)
	}
	return nil
}

// turn returns the child that is next by the specification: the pinger, if it waits, or the
// protocol that has waited longest.
func (w *world) turn() slot {
	for _, s := range w.line {
		if s < firstProtocolSlot {
			return s
		}
	}
	if len(w.line) == 0 {
		return none
	}
	return w.line[0]
}

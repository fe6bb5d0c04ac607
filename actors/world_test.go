package actors

import (
	"fmt"
	"slices"

	"github.com/troupe-p2p/troupe/wire"
)

// world is a model of a link around the production arbiter and its tokens: three children, their
// mailboxes and the peer's, the grant timer and the farewell. It lists the steps that may happen
// next; the explorer takes each of them in turn.
type world struct {
	arb      arbiter
	tokens   []*WriteToken // every grant that is still referenced; the index is its name
	children [3]modelChild
	mailbox  []mail // the peer's user messages, in order
	system   []mail // the peer's system messages, which go first

	timer     bool // the grant timer is running
	timerFor  int  // the token that it is for
	cause     bool // the link's cause is set; closeLink is on its way or was handled
	closing   bool
	farewells int

	line []slot // the waiting children in the order of their requests, as the specification defines it

	trouble
}

// trouble is how many failures may still happen, so that the exploration ends.
type trouble struct{ crashes, naps, errors, disconnects int }

const (
	none    = -1 // no token
	unknown = -2 // a crash whose circumstances don't matter
)

// Conditions of a child.
const (
	awake     = iota
	asleep    // in a handler that never returns
	failed    // crashed, suspended; the peer does not know yet
	suspended // the peer knows; a restart follows
	stopped
)

// modelChild models a child of the peer: a host, or the pinger.
type modelChild struct {
	slot      slot
	condition int
	inbox     []int // tokens unread
	grab      int   // the token that a host may use ahead of its mailbox
	rest      int   // the token that rests with it
	holding   int   // the token with which it is writing
	work      int   // messages queued
	requested bool
	sends     int // how many more messages its behaviour will send
}

// mail is one message to the peer.
type mail struct {
	kind  string
	slot  slot
	token int
	err   bool
	again bool
	state int32 // state of its token when the child crashed
}

func newWorld(slots [3]slot, sends int, t trouble) *world {
	w := &world{trouble: t, timerFor: none}
	w.arb.writer = &frameWriter{enc: new(wire.Encoder)}
	for i, s := range slots {
		w.children[i] = modelChild{slot: s, grab: none, rest: none, holding: none, sends: sends}
	}
	return w
}

// clone copies everything, tokens included, and drops unreferenced tokens.
func (w *world) clone() *world {
	c := *w
	c.arb.urgent, c.arb.queue = slices.Clone(w.arb.urgent), slices.Clone(w.arb.queue)
	c.line = slices.Clone(w.line)
	c.mailbox, c.system = slices.Clone(w.mailbox), slices.Clone(w.system)
	rename := make([]int, len(w.tokens))
	for i := range rename {
		rename[i] = none
	}
	c.tokens = nil
	keep := func(id *int) {
		if *id < 0 {
			return
		}
		if rename[*id] == none {
			t := w.tokens[*id]
			fresh := &WriteToken{holder: t.holder, resting: t.resting, writer: t.writer}
			fresh.state.Store(t.state.Load())
			fresh.back = t.back
			if t.back.token != nil {
				fresh.back.token = fresh
			}
			rename[*id] = len(c.tokens)
			c.tokens = append(c.tokens, fresh)
		}
		*id = rename[*id]
	}
	if out := w.name(w.arb.out); out != none {
		keep(&out)
		c.arb.out = c.tokens[out]
	}
	for i := range c.children {
		child := &c.children[i]
		child.inbox = slices.Clone(child.inbox)
		for j := range child.inbox {
			keep(&child.inbox[j])
		}
		keep(&child.grab)
		keep(&child.rest)
		keep(&child.holding)
	}
	for _, list := range [][]mail{c.mailbox, c.system} {
		for i := range list {
			keep(&list[i].token)
		}
	}
	keep(&c.timerFor)
	return &c
}

func (w *world) name(t *WriteToken) int { return slices.Index(w.tokens, t) }

func (w *world) child(s slot) *modelChild {
	for i := range w.children {
		if w.children[i].slot == s {
			return &w.children[i]
		}
	}
	panic("no such child")
}

// step is one possible next event.
type step struct {
	name string
	slot slot
	do   func(w *world, c *modelChild) error
}

func (s step) String() string { return fmt.Sprintf("%s(%d)", s.name, s.slot) }

// steps lists all that may happen next. quiet is true when only new messages and new failures can
// happen: everything in progress has finished.
func (w *world) steps() (next []step, quiet bool) {
	quiet = true
	must := func(name string, s slot, do func(*world, *modelChild) error) {
		next, quiet = append(next, step{name, s, do}), false
	}
	may := func(name string, s slot, do func(*world, *modelChild) error) {
		next = append(next, step{name, s, do})
	}
	if len(w.system)+len(w.mailbox) > 0 {
		must("peer", peerSlot, func(w *world, _ *modelChild) error { return w.peerTurn() })
	}
	if w.timer {
		must("grant timeout", peerSlot, (*world).grantTimerFires)
	}
	if w.disconnects > 0 && !w.cause {
		may("disconnect", peerSlot, (*world).disconnect)
	}
	for i := range w.children {
		c := &w.children[i]
		switch {
		case c.condition == suspended && w.closing, c.condition == awake && w.closing && c.holding == none:
			must("stop", c.slot, (*world).childStops)
		case c.condition == suspended:
			must("restart", c.slot, (*world).childRestarts)
		case c.condition != awake:
		case c.holding != none:
			must("return", c.slot, (*world).childReturns)
			if w.errors > 0 {
				may("write error", c.slot, (*world).childFailsToWrite)
			}
		default:
			if len(c.inbox) > 0 {
				must("begin", c.slot, (*world).childReads)
			}
			if c.grab != none {
				may("begin early", c.slot, (*world).childGrabs)
			}
			if c.sends > 0 {
				may("request", c.slot, (*world).childSends)
			}
			if w.naps > 0 {
				may("sleep", c.slot, (*world).childSleeps)
			}
		}
		if c.condition == awake && w.crashes > 0 {
			may("crash", c.slot, (*world).childCrashes)
		}
	}
	return next, quiet
}

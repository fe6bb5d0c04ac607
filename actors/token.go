package actors

import (
	"errors"
	"slices"
	"sync/atomic"
)

// slot identifies a child in the token's rules.
type slot int

const (
	peerSlot slot = iota // the peer itself: pongs
	pingerSlot
	firstProtocolSlot
)

// States of a grant. The holder changes it from granted to writing to returned, the peer from
// granted to revoked; compare-and-swap decides between them.
const (
	granted int32 = iota
	writing
	returned
	revoked
)

// WriteToken is the right to write on a link. The peer sends it to a child as one message. Every
// grant is a new object, so that a stale one cannot write (T3), and the frame writer is reachable
// through it alone (T2).
type WriteToken struct {
	state   atomic.Int32
	holder  slot
	resting bool // granted before it was requested, and not sent
	writer  *frameWriter
	back    ReturnToken
}

// ReturnToken returns a token to the peer.
type ReturnToken struct {
	token *WriteToken
	err   error // not nil: the connection accepts no more frames
	again bool  // the holder has more to write and requests the token again
}

var errStaleToken = errors.New("write token is stale")

// begin changes the grant from granted to writing; the holder calls it. It returns false when the
// grant was revoked.
func (t *WriteToken) begin() bool { return t.state.CompareAndSwap(granted, writing) }

// write seals the laid-out frames in place and writes them. It takes ownership of buf, which
// contains them; buf is nil when the memory is not pooled.
func (t *WriteToken) write(frames []byte, buf *buffer) error {
	if t.state.Load() != writing {
		return errStaleToken
	}
	return t.writer.write(frames, buf)
}

// cool frees what a quiet writer holds.
func (t *WriteToken) cool() {
	if t.state.Load() == writing {
		t.writer.cool()
	}
}

// end is the holder's last step. The result goes to the peer.
func (t *WriteToken) end(err error, again bool) *ReturnToken {
	t.back = ReturnToken{token: t, err: err, again: again}
	t.state.Store(returned)
	return &t.back
}

// revoke is the peer's step. It returns false when the holder has begun to write.
func (t *WriteToken) revoke() bool { return t.state.CompareAndSwap(granted, revoked) }

// arbiter has the token's rules, without actors: which child holds it and which is next. Only the
// peer's turn uses it. At any time the token is free (out is nil), or one holder has it, or the
// link is closing and no grant is made any more (T1).
type arbiter struct {
	writer  *frameWriter
	out     *WriteToken
	urgent  []slot // the peer and the pinger, ahead of all others (T5)
	queue   []slot // protocols, first come, first served
	last    slot   // the protocol that had the token last; the token rests with it while no child waits
	closing bool
	dead    bool // a holder crashed while writing: the stream cannot go on (T4)
}

// request puts a child in line. A child is in line at most once; the holder may be in line for
// its next turn.
func (a *arbiter) request(s slot) {
	line := a.line(s)
	if a.closing || slices.Contains(*line, s) {
		return
	}
	*line = append(*line, s)
}

func (a *arbiter) line(s slot) *[]slot {
	if s < firstProtocolSlot {
		return &a.urgent
	}
	return &a.queue
}

// grant grants the token to the next child in line, if the token is free or rests and a child waits.
// The caller delivers it to its holder.
func (a *arbiter) grant() *WriteToken {
	line := &a.urgent
	if len(*line) == 0 {
		line = &a.queue
	}
	if a.closing || a.dead || len(*line) == 0 {
		return nil
	}
	if a.out != nil && !(a.out.resting && a.reclaim()) {
		return nil
	}
	next := (*line)[0]
	*line = slices.Delete(*line, 0, 1)
	if next >= firstProtocolSlot {
		a.last = next
	}
	a.out = &WriteToken{holder: next, writer: a.writer}
	return a.out
}

// rest grants a free token, for which no child waits, to the protocol that had it last: what that sends
// next it writes without a request. The grant is taken back as soon as another child waits. The caller
// puts it where its holder finds it, without a message.
func (a *arbiter) rest() *WriteToken {
	if a.closing || a.dead || a.out != nil || len(a.urgent)+len(a.queue) > 0 || a.last < firstProtocolSlot {
		return nil
	}
	a.out = &WriteToken{holder: a.last, resting: true, writer: a.writer}
	return a.out
}

// accept takes a returned token back. It returns false for a stale token, which the caller
// ignores.
func (a *arbiter) accept(r *ReturnToken) bool {
	if r.token != a.out {
		return false
	}
	a.out = nil
	if r.again {
		a.request(r.token.holder)
	}
	return true
}

// contested reports whether a child waits for a token whose holder has not begun to use it: the
// peer may take it back (T7).
func (a *arbiter) contested() bool {
	return a.out != nil && len(a.urgent)+len(a.queue) > 0 && a.out.state.Load() == granted
}

// reclaim takes back a grant that its holder has not begun to use (T7).
func (a *arbiter) reclaim() bool {
	if a.out == nil || !a.out.revoke() {
		return false
	}
	a.out = nil
	return true
}

// failed records that a child crashed. A crash happens in the child's own turn, and the child is
// suspended now. It returns false when the child crashed while writing, so that the stream cannot
// go on (T4).
func (a *arbiter) failed(s slot) bool {
	line := a.line(s)
	*line = slices.DeleteFunc(*line, func(w slot) bool { return w == s })
	if a.last == s {
		a.last = peerSlot // its successor has to ask
	}
	switch {
	case a.out == nil || a.out.holder != s:
	case a.out.revoke():
		a.out = nil
	case a.out.state.Load() == writing:
		a.out, a.dead = nil, true
		return false
	default: // finished: the token is on its way back and may carry an error
		a.out.back.again = false // the next incarnation makes its own request
	}
	return true
}

// close ends all granting (T6). It returns true when the writer is free, and false when a holder
// is writing and its return must be awaited.
func (a *arbiter) close() bool {
	a.closing = true
	a.urgent, a.queue = nil, nil
	if a.out != nil && !a.out.revoke() && a.out.state.Load() == writing {
		return false
	}
	a.out = nil
	return true
}

package actors

import (
	"errors"
	"slices"
	"sync/atomic"
)

// slot names a child as the token's rules see it.
type slot int

const (
	peerSlot slot = iota // the peer itself: pongs
	pingerSlot
	firstProtocolSlot
)

// States of a grant. The holder moves it from granted to writing to returned,
// the peer from granted to revoked; compare-and-swap decides between them.
const (
	granted int32 = iota
	writing
	returned
	revoked
)

// WriteToken is the right to write on a link, as one message from the peer to a
// child. Every grant is a new object, so that a stale one cannot write (T3), and
// the frame writer is reachable through it alone (T2).
type WriteToken struct {
	state  atomic.Int32
	holder slot
	writer *frameWriter
	back   ReturnToken
}

// ReturnToken brings a token back to the peer.
type ReturnToken struct {
	token *WriteToken
	err   error // not nil: the connection takes no more frames
	again bool  // the holder has more to write and asks anew
}

var errStaleToken = errors.New("write token is stale")

// begin is the holder's step from granted to writing. False means that the grant
// was taken back meanwhile.
func (t *WriteToken) begin() bool { return t.state.CompareAndSwap(granted, writing) }

// write seals the laid-out frames in place and writes them. It takes over buf, in
// which they lie; nil where that is not pooled memory.
func (t *WriteToken) write(frames []byte, buf *buffer) error {
	if t.state.Load() != writing {
		return errStaleToken
	}
	return t.writer.write(frames, buf)
}

// end is the holder's last step. What it returns goes to the peer.
func (t *WriteToken) end(err error, again bool) *ReturnToken {
	t.back = ReturnToken{token: t, err: err, again: again}
	t.state.Store(returned)
	return &t.back
}

// revoke is the peer's step. False means that the holder has begun.
func (t *WriteToken) revoke() bool { return t.state.CompareAndSwap(granted, revoked) }

// arbiter is the token's rules, without actors: who holds it and who is next.
// Only the peer's turn touches it. At any time the token is home (out is nil),
// out with one holder, or the link is closing and nothing is granted any more (T1).
type arbiter struct {
	writer  *frameWriter
	out     *WriteToken
	urgent  []slot // the peer and the pinger, ahead of everyone (T5)
	queue   []slot // protocols, first come first served
	closing bool
	dead    bool // a holder died while writing: the stream can't go on (T4)
}

// request puts a child in line. A child stands there once at most; the holder
// may stand in line for its next turn.
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

// grant gives the token to the next in line, if it is home and somebody waits.
// The caller delivers it to its holder.
func (a *arbiter) grant() *WriteToken {
	if a.closing || a.dead || a.out != nil {
		return nil
	}
	line := &a.urgent
	if len(*line) == 0 {
		line = &a.queue
	}
	if len(*line) == 0 {
		return nil
	}
	next := (*line)[0]
	*line = slices.Delete(*line, 0, 1)
	a.out = &WriteToken{holder: next, writer: a.writer}
	return a.out
}

// accept takes a returned token home. False means that it is a stale one, whose
// return says nothing.
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

// contested says whether somebody waits for a token that is out and whose holder
// has not begun to use it: the case in which the peer may want it back (T7).
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

// failed takes note that a child crashed, which it did in its own turn: it is
// suspended now. False means that it died while writing, so that the stream
// cannot go on (T4).
func (a *arbiter) failed(s slot) bool {
	line := a.line(s)
	*line = slices.DeleteFunc(*line, func(w slot) bool { return w == s })
	switch {
	case a.out == nil || a.out.holder != s:
	case a.out.revoke():
		a.out = nil
	case a.out.state.Load() == writing:
		a.out, a.dead = nil, true
		return false
	default: // finished: the token is on its way back, and may bring an error
		a.out.back.again = false // the next incarnation asks for itself
	}
	return true
}

// close ends all granting (T6). True means that the writer is free now; false,
// that a holder is in the middle of writing and its return must be awaited.
func (a *arbiter) close() bool {
	a.closing = true
	a.urgent, a.queue = nil, nil
	if a.out != nil && !a.out.revoke() && a.out.state.Load() == writing {
		return false
	}
	a.out = nil
	return true
}

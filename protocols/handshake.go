package protocols

import (
	"errors"
	"fmt"
	"reflect"
	"sync/atomic"
	"time"

	"github.com/troupe-p2p/troupe/actors/supervise"
)

// DefaultHandshakeTimeout is how long a [Handshake] waits for the remote's status.
const DefaultHandshakeTimeout = 5 * time.Second

// ErrHandshakeTimeout is the end of a link whose remote did not tell its status in
// time.
var ErrHandshakeTimeout = errors.New("no status from the remote in time")

// Handshake is the exchange of one status message each way that a protocol begins
// with, made by [Exchange]. Both sides send at once. Until the remote's has come and
// was accepted, the actor gets no [LinkUp] and nothing else of the link; anything else
// that comes is a breach of protocol, and so is a second status later on. It happens
// once a link, whatever crashes meanwhile.
type Handshake struct {
	typ     reflect.Type
	ours    func(*Link) any
	check   func(*Link, any) error
	timeout time.Duration
}

// Exchange makes the handshake in which a T, one of the version's Messages, goes each
// way. Ours makes this side's. Check says why the remote's is not accepted; without
// it all are. Both run in the turn of the link's actor and get its own handle, but before
// the actor has the link, so that they are functions and not methods of it.
//
// An error of check ends the link. The reason that the remote is told is the
// [DiscReason] that the error wraps, or else [DiscUselessPeer]:
//
//	return fmt.Errorf("%w: genesis %x, want %x", protocols.DiscUselessPeer, theirs.Genesis, ours)
func Exchange[T any](ours func(*Link) T, check func(l *Link, theirs *T) error) *Handshake {
	h := &Handshake{typ: reflect.TypeFor[T](), timeout: DefaultHandshakeTimeout}
	if ours != nil {
		h.ours = func(l *Link) any {
			status := ours(l)
			return &status
		}
	}
	h.check = func(l *Link, theirs any) error {
		if check == nil {
			return nil
		}
		return check(l, theirs.(*T))
	}
	return h
}

// Within gives the same handshake with another time-out than
// [DefaultHandshakeTimeout].
func (h *Handshake) Within(d time.Duration) *Handshake {
	other := *h
	other.timeout = d
	return &other
}

// StatusOf is what the remote told in the handshake. It is nil before that is done,
// and where the running version's status is no T.
func StatusOf[T any](l *Link) *T {
	if l.greeting == nil || !l.greeting.done() {
		return nil
	}
	theirs, _ := l.greeting.theirs.(*T)
	return theirs
}

func (h *Handshake) checkAmong(codes map[reflect.Type]int) error {
	switch {
	case h == nil:
		return nil
	case h.typ == nil || h.ours == nil:
		return errors.New("handshake: use Exchange, with a function for our status")
	case h.timeout <= 0:
		return fmt.Errorf("handshake: a time-out of %v", h.timeout)
	}
	if _, ok := codes[h.typ]; !ok {
		return fmt.Errorf("handshake: the status %v is none of the Messages", h.typ)
	}
	return nil
}

// greeting is a handshake on one link. It belongs to the Link, so that a restart does
// not begin it anew. But for state, and theirs once state says done, only the host's
// turn touches it.
type greeting struct {
	*Handshake
	code   uint64
	state  atomic.Int32
	timer  supervise.Timer // nil before the first actor came to life
	sent   bool
	theirs any // *T, once it came
}

const (
	waiting int32 = iota
	accepted
	overdue
)

// done says whether there is nothing to wait for. It is so where there is no handshake.
func (g *greeting) done() bool { return g == nil || g.state.Load() == accepted }

// begin sends our status, unless an earlier actor of the link got so far.
func (g *greeting) begin(l *Link) {
	if g.timer == nil {
		g.timer = l.host.Clock().AfterFunc(g.timeout, func() { g.expire(l) })
	}
	if g.sent {
		return
	}
	if err := l.Send(g.ours(l)); err != nil && !errors.Is(err, ErrLinkDown) {
		panic(fmt.Errorf("our status: %w", err))
	}
	g.sent = true
}

// expire is called by the timer, in a goroutine of its own.
func (g *greeting) expire(l *Link) {
	if g.state.CompareAndSwap(waiting, overdue) {
		l.DisconnectWithError(DiscReadTimeout, fmt.Errorf("%w: waited %v", ErrHandshakeTimeout, g.timeout))
	}
}

// inPlace says what is wrong with a message of that code at this time.
func (g *greeting) inPlace(code uint64, label string) error {
	switch done := g.done(); {
	case !done && code != g.code:
		return fmt.Errorf("message 0x%02x of %s came before the status, which is 0x%02x", code, label, g.code)
	case !done && g.theirs != nil, done && code == g.code:
		return fmt.Errorf("a second status 0x%02x of %s", code, label)
	}
	return nil
}

// judge checks the remote's status and says whether the link may go on.
func (g *greeting) judge(l *Link) bool {
	if err := g.check(l, g.theirs); err != nil {
		reason := DiscUselessPeer
		errors.As(err, &reason)
		l.DisconnectWithError(reason, err)
		return false
	}
	return g.state.CompareAndSwap(waiting, accepted) && g.end()
}

// end stops the time-out and says whether the handshake was done.
func (g *greeting) end() bool {
	if g == nil {
		return true
	}
	if g.timer != nil {
		g.timer.Stop()
	}
	return g.done()
}

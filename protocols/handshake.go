package protocols

import (
	"errors"
	"fmt"
	"reflect"
	"sync/atomic"
	"time"

	"github.com/troupe-p2p/troupe/actors/supervise"
)

// DefaultHandshakeTimeout is how long a [Handshake] waits for the remote's status by default.
const DefaultHandshakeTimeout = 5 * time.Second

// ErrHandshakeTimeout is the error of a link whose remote did not send its status in time.
var ErrHandshakeTimeout = errors.New("no status from the remote in time")

// Handshake is the exchange of one status message in each direction at the start of a protocol,
// made by [Exchange]. Both sides send at once. Until the remote's status has arrived and was
// accepted, the actor gets neither [LinkUp] nor anything else of the link; any other message is a
// protocol error then, and so is a second status later. The handshake happens once for each link,
// even if the actor crashes meanwhile.
type Handshake struct {
	typ     reflect.Type
	ours    func(*Link) any
	check   func(*Link, any) error
	timeout time.Duration
}

// Exchange makes a handshake in which each side sends a T, one of the version's Messages. ours
// makes this side's status. check returns an error if it does not accept the remote's status;
// without check, all are accepted. Both run in the turn of the link's actor and get its own
// handle, but before the actor gets the link, so they are functions and not methods of the actor.
//
// An error of check ends the link. The remote receives the [DiscReason] that the error wraps, or
// else [DiscUselessPeer]:
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

// Within returns the same handshake with another timeout than [DefaultHandshakeTimeout].
func (h *Handshake) Within(d time.Duration) *Handshake {
	other := *h
	other.timeout = d
	return &other
}

// StatusOf returns the remote's status. It is nil before the handshake is done, and if the
// running version's status is not a T.
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
		return fmt.Errorf("handshake: the status %v is not in Messages", h.typ)
	}
	return nil
}

// greeting is a handshake on one link. It belongs to the Link, so that a restart does not begin
// it again. Only the host's turn uses it, except state, and theirs once state is accepted.
type greeting struct {
	*Handshake
	code   uint64
	state  atomic.Int32
	timer  supervise.Timer // nil before the first actor was made
	sent   bool
	theirs any // *T, once it has arrived
}

const (
	waiting int32 = iota
	accepted
	overdue
)

// done reports whether there is nothing to wait for, which is also true without a handshake.
func (g *greeting) done() bool { return g == nil || g.state.Load() == accepted }

// begin sends our status, unless an earlier actor of the link did.
func (g *greeting) begin(l *Link) {
	if g.timer == nil {
		g.timer = l.host.AfterFunc(g.timeout, func() { g.expire(l) })
	}
	if g.sent {
		return
	}
	if err := l.Send(g.ours(l)); err != nil && !errors.Is(err, ErrLinkDown) {
		panic(fmt.Errorf("send our status: %w", err))
	}
	g.sent = true
}

// expire is called by the timer, in its own goroutine.
func (g *greeting) expire(l *Link) {
	if g.state.CompareAndSwap(waiting, overdue) {
		l.DisconnectWithError(DiscReadTimeout, fmt.Errorf("%w: waited %v", ErrHandshakeTimeout, g.timeout))
	}
}

// inPlace returns an error if a message with that code must not arrive now.
func (g *greeting) inPlace(code uint64, label string) error {
	switch done := g.done(); {
	case !done && code != g.code:
		return fmt.Errorf("message 0x%02x of %s came before the status, which is 0x%02x", code, label, g.code)
	case !done && g.theirs != nil, done && code == g.code:
		return fmt.Errorf("a second status 0x%02x of %s", code, label)
	}
	return nil
}

// judge checks the remote's status and reports whether the link may go on.
func (g *greeting) judge(l *Link) bool {
	if err := g.check(l, g.theirs); err != nil {
		reason := DiscUselessPeer
		errors.As(err, &reason)
		l.DisconnectWithError(reason, err)
		return false
	}
	return g.state.CompareAndSwap(waiting, accepted) && g.end()
}

// end stops the timeout and reports whether the handshake was done.
func (g *greeting) end() bool {
	if g == nil {
		return true
	}
	if g.timer != nil {
		g.timer.Stop()
	}
	return g.done()
}

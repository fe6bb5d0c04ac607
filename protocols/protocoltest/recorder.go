package protocoltest

import (
	"bytes"
	"fmt"
	"strings"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/troupe-p2p/troupe/actors"
	"github.com/troupe-p2p/troupe/protocols"
)

// Recorder stores all messages that pass over a [Pair]'s link, both ways, in the order in which
// they are handled, including those of handshakes, answers to requests, and messages during which
// an actor crashes. Messages in an outbox or in transit have not passed yet.
//
// The zero value is ready for [Record]. Its methods are safe from any goroutine.
type Recorder struct {
	passed record[Passed]
	tb     fataler
}

// Passed is one message that was delivered.
type Passed struct {
	From string    // the end that sent it, A or B
	At   time.Time // when it was read from the connection
	Code uint64    // the protocol's own code, counted from 0
	Size int       // bytes of RLP

	// Message is a *T as the receiving version decodes it. It is a *protocols.RawMessage if the
	// message is Raw or ignored there, and if it cannot be decoded; Err then has the reason.
	Message any
	Err     error
}

// String returns a line such as "A: Ping{N:1}".
func (p Passed) String() string {
	if raw, ok := p.Message.(*protocols.RawMessage); ok {
		return fmt.Sprintf("%s: 0x%02x, %d bytes", p.From, raw.Code, len(raw.Payload))
	}
	name := strings.TrimPrefix(fmt.Sprintf("%T", p.Message), "*")
	name = name[strings.LastIndexByte(name, '.')+1:]
	return p.From + ": " + name + strings.TrimPrefix(fmt.Sprintf("%+v", p.Message), "&")
}

// Record makes r store what passes. A Recorder belongs to one Pair.
func Record(r *Recorder) Option { return func(o *options) { o.recorder = r } }

// Passed returns what has passed so far.
func (r *Recorder) Passed() []Passed {
	passed, _ := r.passed.from(0)
	return passed
}

// Wait waits until that many messages have passed, and returns them and all later ones. The
// Pair's test fails if they do not arrive. In a synctest bubble, synctest.Wait and Passed are
// enough. Only the test's own goroutine may call it, after the Pair was made.
func (r *Recorder) Wait(messages int) []Passed {
	r.tb.Helper()
	overdue := time.NewTimer(patience)
	defer overdue.Stop()
	for {
		passed, more := r.passed.from(0)
		if len(passed) >= messages {
			return passed
		}
		select {
		case <-more:
		case <-overdue.C:
			r.tb.Fatalf("recorder: %d messages passed, %d wanted:\n%s", len(passed), messages, r)
		}
	}
}

// String lists what has passed, one message a line, for comparison with the expected list.
func (r *Recorder) String() string {
	var lines strings.Builder
	for _, p := range r.Passed() {
		fmt.Fprintln(&lines, p)
	}
	return lines.String()
}

// attach records what both nodes receive. On a nil pointer it does nothing.
func (r *Recorder) attach(tb fataler, a, b *node) {
	if r == nil {
		return
	}
	r.tb = tb
	r.tap(a, b.name)
	r.tap(b, a.name)
}

// tap records what one node receives from the other.
func (r *Recorder) tap(n *node, from string) {
	for i := range n.mounted.Offers {
		offer, version := &n.mounted.Offers[i], n.mounted.Spec.Versions[i]
		mount := offer.Mount
		offer.Mount = func(h *actors.Host) func() actors.Behaviour {
			produce := mount(h)
			return func() actors.Behaviour {
				return &tapped{Behaviour: produce(), recorder: r, from: from, version: version}
			}
		}
	}
}

// tapped is a protocol's behaviour whose messages are recorded.
type tapped struct {
	actors.Behaviour
	recorder *Recorder
	from     string
	version  protocols.Version
}

// Message records first, because a message that crashes the actor has arrived too.
func (t *tapped) Message(ctx actor.Context, in actors.Inbound) error {
	p := Passed{From: t.from, At: in.ReceivedAt, Code: in.Code, Size: len(in.Payload)}
	if p.Message, p.Err = t.version.Decode(in.Code, in.Payload); p.Err != nil {
		p.Message = &protocols.RawMessage{Code: in.Code, Payload: bytes.Clone(in.Payload), ReceivedAt: in.ReceivedAt}
	}
	t.recorder.passed.add(p)
	return t.Behaviour.Message(ctx, in)
}

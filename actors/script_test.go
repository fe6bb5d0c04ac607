package actors

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/troupe-p2p/troupe/wire"
)

// script is a protocol whose behaviour a test defines. It serves one link, over all incarnations;
// nil functions do nothing.
type script struct {
	up      func(ctx actor.Context)
	message func(ctx actor.Context, in Inbound) error
	drained func(ctx actor.Context)
	other   func(ctx actor.Context)
	down    func(ctx actor.Context, cause *Cause)

	*Host                     // set once the link is up
	incarnations atomic.Int64 // number of incarnations
	ups, drainds atomic.Int64
	downs        atomic.Int64
}

// protocol makes the Protocol; change sets further fields.
func (s *script) protocol(name string, change ...func(*Protocol)) Protocol {
	p := Protocol{Name: name, Version: 1, Length: 16, Mount: func(h *Host) func() Behaviour {
		s.Host = h
		return func() Behaviour { s.incarnations.Add(1); return s.behaviour() }
	}}
	for _, c := range change {
		c(&p)
	}
	return p
}

func (s *script) behaviour() Behaviour { return incarnate{s} }

type incarnate struct{ s *script }

func (i incarnate) Up(ctx actor.Context) {
	i.s.ups.Add(1)
	if i.s.up != nil {
		i.s.up(ctx)
	}
}

func (i incarnate) Message(ctx actor.Context, in Inbound) error {
	if i.s.message != nil {
		return i.s.message(ctx, in)
	}
	return nil
}

func (i incarnate) Drained(ctx actor.Context) {
	i.s.drainds.Add(1)
	if i.s.drained != nil {
		i.s.drained(ctx)
	}
}

func (i incarnate) Other(ctx actor.Context) {
	if f, ok := ctx.Message().(func(actor.Context)); ok {
		f(ctx)
		return
	}
	if i.s.other != nil {
		i.s.other(ctx)
	}
}

func (i incarnate) Down(ctx actor.Context, cause *Cause) {
	i.s.downs.Add(1)
	if i.s.down != nil {
		i.s.down(ctx, cause)
	}
}

// Send uses the behaviour's own handle. Tests of other senders use the Host's Send.
func (s *script) Send(code uint64, payload []byte) error { return s.Answer(code, payload) }

// tell runs f in the protocol's turn.
func (s *script) tell(f func(ctx actor.Context)) { s.link.root.Send(s.PID(), f) }

// sendThen sends a message in one turn and runs then in the next one, during which the token
// arrives.
func (s *script) sendThen(payload []byte, then func(ctx actor.Context)) {
	queued := make(chan struct{})
	s.tell(func(actor.Context) { _ = s.Send(0, payload); <-queued })
	s.tell(then)
	close(queued)
}

// remote is the counterpart of a link, but no link itself: a session and a connection that send
// what a test wants and receive every frame.
type remote struct {
	t    testing.TB
	conn net.Conn
	*wire.Session
	in []byte // read and not yet consumed

	node *node // of the link
	link *Link
}

// meet makes a link with the given protocols to a remote that claims all of them.
func meet(t testing.TB, protocols ...Protocol) *remote {
	t.Helper()
	ours, theirs := memPipe(64 << 10)
	return meetOver(t, newNode(t), ours, theirs, protocols...)
}

func meetOver(t testing.TB, n *node, ours, theirs net.Conn, protocols ...Protocol) *remote {
	t.Helper()
	r := &remote{t: t, conn: theirs, node: n}
	local, session := shake(t, n, newNode(t), ours, theirs, capsOf(protocols), capsOf(protocols))
	r.Session, r.in = session, session.Rest
	r.link = n.spawn(ours, local, false, protocols)
	t.Cleanup(func() { theirs.Close() }) // runs before the wait for the link's end
	return r
}

// aside runs f concurrently with the test. f must return when the connection ends: the test
// closes it at its end and waits for f.
func (r *remote) aside(f func()) {
	done := make(chan struct{})
	go func() { defer close(done); f() }()
	r.t.Cleanup(func() { r.conn.Close(); <-done })
}

// readOn reads and discards everything, one message per interval.
func (r *remote) readOn(interval time.Duration) {
	r.aside(func() {
		for {
			if _, err := r.read(); err != nil {
				return
			}
			<-time.After(interval)
		}
	})
}

// seal makes a sealed frame, which must be sent before the next one is made.
func (r *remote) seal(code uint64, payload []byte) []byte {
	r.t.Helper()
	frame, err := appendBase(nil, code, payload, r.Snappy)
	if err == nil {
		err = r.Encoder.Seal(frame)
	}
	if err != nil {
		r.t.Fatal(err)
	}
	return frame
}

// send sends one message. Codes are those on the wire.
func (r *remote) send(code uint64, payload []byte) {
	r.t.Helper()
	r.write(r.seal(code, payload))
}

func (r *remote) write(b []byte) {
	r.t.Helper()
	if _, err := r.conn.Write(b); err != nil {
		r.t.Fatal(err)
	}
}

// packet is a message on the wire.
type packet struct {
	code    uint64
	payload []byte
}

// read returns the next message.
func (r *remote) read() (packet, error) {
	for {
		frame, n, need, err := r.Decoder.Next(r.in)
		if err != nil {
			return packet{}, err
		}
		if n > 0 {
			p, err := r.open(frame)
			r.in = r.in[n:]
			return p, err
		}
		had := len(r.in)
		r.in = append(r.in, make([]byte, need-had)...)
		got, err := io.ReadFull(r.conn, r.in[had:])
		r.in = r.in[:had+got]
		if err != nil {
			return packet{}, err
		}
	}
}

func (r *remote) open(frame []byte) (packet, error) {
	code, payload, err := wire.ParseMessage(frame)
	if err != nil {
		return packet{}, err
	}
	if !r.Snappy {
		return packet{code, bytes.Clone(payload)}, nil
	}
	size, err := wire.DecodedLen(payload)
	if err != nil {
		return packet{}, err
	}
	plain, err := wire.Decompress(make([]byte, size), payload)
	return packet{code, plain}, err
}

// expect reads the next message, which must have that code. It answers pings.
func (r *remote) expect(code uint64) packet {
	r.t.Helper()
	if err := r.conn.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		r.t.Fatal(err)
	}
	p, err := r.read()
	for err == nil && p.code == wire.PingMsg && code != wire.PingMsg {
		r.send(wire.PongMsg, emptyList)
		p, err = r.read()
	}
	if err != nil {
		r.t.Fatalf("waiting for message 0x%x: %v; the link's cause: %v", code, err, r.link.Cause())
	}
	if p.code != code {
		r.t.Fatalf("got message 0x%x (%x), want 0x%x", p.code, p.payload, code)
	}
	return p
}

// expectDisconnect reads up to the Disconnect, which must have that reason, and up to the end of
// the stream.
func (r *remote) expectDisconnect(want wire.DiscReason) {
	r.t.Helper()
	_ = r.conn.SetReadDeadline(time.Now().Add(time.Minute))
	for {
		p, err := r.read()
		if err != nil {
			r.t.Fatalf("waiting for a Disconnect: %v; the link's cause: %v", err, r.link.Cause())
		}
		if p.code != wire.DiscMsg {
			continue
		}
		if got, err := wire.ParseDisconnect(p.payload, false); err != nil || got != want {
			r.t.Errorf("the remote received %q (%v), want %q", got, err, want)
		}
		break
	}
	if p, err := r.read(); !errors.Is(err, io.EOF) {
		r.t.Errorf("after the Disconnect: %+v, %v", p, err)
	}
}

// wantCause waits for the end of the link, and checks its cause.
func (r *remote) wantCause(side Side, reason wire.DiscReason, err error) *Cause {
	r.t.Helper()
	return wantCause(r.t, r.node, side, reason, err)
}

func wantCause(t testing.TB, n *node, side Side, reason wire.DiscReason, err error) *Cause {
	t.Helper()
	e := n.wait()
	if c := e.Cause; c.Side != side || c.Reason != reason || err != nil && !errors.Is(c, err) {
		t.Errorf("ended with %q, want %v: %v: %v", c, side, reason, err)
	}
	if e.Cause != e.Link.Cause() {
		t.Errorf("the owner got cause %q, the link has %q", e.Cause, e.Link.Cause())
	}
	return e.Cause
}

// text is a payload that identifies its message.
func text(format string, args ...any) []byte { return fmt.Appendf(nil, format, args...) }

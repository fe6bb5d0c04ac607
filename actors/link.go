package actors

import (
	"context"
	"encoding/hex"
	"io"
	"net"
	"sync/atomic"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/troupe-p2p/troupe/actors/supervise"
	"github.com/troupe-p2p/troupe/wire"
)

// Config describes the link that [Links.Spawn] starts.
type Config struct {
	Name string // the peer actor's name; Spawn appends a suffix that makes it unique

	Conn      net.Conn      // the link owns it once Spawn is called
	Session   *wire.Session // after the Hello exchange
	Protocols []Protocol    // what this node offers; see [Match]
	Inbound   bool          // the remote dialed
}

// Link is one connection to a remote node, for all code except its own actors. All methods are
// safe from any goroutine.
type Link struct {
	*common
	pid     *actor.PID
	conn    connection
	hello   *wire.Hello // the remote's
	inbound bool
	snappy  bool
	started time.Time
	hosts   []*Host // by offset

	ctx    lazyContext // ends with the link
	cause  atomic.Pointer[Cause]
	done   latch // closes when the socket is closed
	unread latch // closes when nothing is read any more

	src                    source      // of the reader
	readerWarm, writerWarm atomic.Bool // see cooling

	// Times are nanoseconds since started, measured by the link's clock.
	lastReceived atomic.Int64
	lastSent     atomic.Int64
	lastPing     atomic.Int64 // when a ping was last asked for; 0: never
	heldSince    atomic.Int64 // since when the reader is paused; 0: it is not
	heldFor      atomic.Int32 // what it waits for then, a heldFor
	writingSince atomic.Int64 // when the write in progress began or last made progress; 0: there is none
	frameSince   atomic.Int64 // when the frame began that is not complete; 0: there is none
	pingSent     atomic.Int64 // when the ping that waits for its pong was sent; 0: none
	rtt          atomic.Int64 // nanoseconds; 0: not measured yet
	pongsDue     atomic.Int64 // pings received and not answered
	probe        atomic.Bool  // a ping is wanted now

	// Wall clock, nanoseconds; 0: none.
	closeBy       atomic.Int64 // when the socket must be closed, see DisconnectBy
	finalDeadline atomic.Int64 // no write may last longer
	lingerUntil   atomic.Int64 // the same for reads, while the link ends

	wake wakeup // the reader waits for credit here

	bytesIn, bytesOut, msgsIn, msgsOut atomic.Uint64
}

// connection is the part of the socket that all code of the link may use: everything except
// writing, which needs the token (T2).
type connection interface {
	io.ReadCloser
	LocalAddr() net.Addr
	RemoteAddr() net.Addr
	SetReadDeadline(t time.Time) error
	SetWriteDeadline(t time.Time) error
}

// Stats counts the traffic of a link. Bytes are those on the wire after the handshake; messages
// are those of subprotocols.
type Stats struct {
	BytesIn, BytesOut uint64
	MsgsIn, MsgsOut   uint64
}

func (l *Link) init(c *common, cfg Config) {
	l.common = c
	l.conn = cfg.Conn
	l.hello = cfg.Session.RemoteHello
	l.inbound = cfg.Inbound
	l.snappy = cfg.Session.Snappy
	l.started = c.clock.Now()
	l.src = newSource(cfg.Conn)
	l.writerWarm.Store(true)
	for i, m := range Match(cfg.Protocols, cfg.Session.RemoteHello.Caps) {
		l.hosts = append(l.hosts, newHost(l, m, firstProtocolSlot+slot(i)))
	}
}

// PID returns the peer actor's PID.
func (l *Link) PID() *actor.PID { return l.pid }

// RemoteID returns the remote's node key: its uncompressed public key without prefix.
func (l *Link) RemoteID() [64]byte { return l.hello.ID }

// Hello returns the remote's Hello. The caller must not change it.
func (l *Link) Hello() *wire.Hello { return l.hello }

// Standing reports whether the remote is a static or trusted node now. An operator may change that
// while the link is up.
func (l *Link) Standing() (static, trusted bool) {
	if l.standing == nil {
		return false, false
	}
	return l.standing(l.hello.ID)
}

// Inbound reports whether the remote dialed.
func (l *Link) Inbound() bool { return l.inbound }

// LocalAddr returns the local address of the connection.
func (l *Link) LocalAddr() net.Addr { return l.conn.LocalAddr() }

// RemoteAddr returns the remote's address.
func (l *Link) RemoteAddr() net.Addr { return l.conn.RemoteAddr() }

// Started returns the time at which the link started.
func (l *Link) Started() time.Time { return l.started }

// RTT returns the last round-trip time measured by ping, 0 before the first.
func (l *Link) RTT() time.Duration { return time.Duration(l.rtt.Load()) }

// Caps returns the protocols that run on the link, sorted by name.
func (l *Link) Caps() []wire.Cap {
	caps := make([]wire.Cap, len(l.hosts))
	for i, h := range l.hosts {
		caps[i] = h.protocol.Cap()
	}
	return caps
}

// Host returns the host of the named protocol, or nil if the protocol does not run on this link.
func (l *Link) Host(name string) *Host {
	for _, h := range l.hosts {
		if h.protocol.Name == name {
			return h
		}
	}
	return nil
}

// Stats returns the traffic so far.
func (l *Link) Stats() Stats {
	return Stats{
		BytesIn: l.bytesIn.Load(), BytesOut: l.bytesOut.Load(),
		MsgsIn: l.msgsIn.Load(), MsgsOut: l.msgsOut.Load(),
	}
}

// Disconnect ends the link. The remote receives reason. err, which may be nil, gives more detail
// to local callers, see [Cause].
func (l *Link) Disconnect(reason wire.DiscReason, err error) {
	l.end(&Cause{Side: Local, Reason: reason, Err: err})
}

// DisconnectBy is Disconnect with less time than the two seconds that a link has otherwise: its
// socket is closed at the time by, measured by time.Now, whatever the remote does. It changes
// nothing if the link has begun to end. A zero by is no limit.
func (l *Link) DisconnectBy(by time.Time, reason wire.DiscReason, err error) {
	if !by.IsZero() {
		l.closeBy.CompareAndSwap(0, by.UnixNano())
	}
	l.Disconnect(reason, err)
}

// Done returns a channel that closes when the socket is closed.
func (l *Link) Done() <-chan struct{} { return l.done.done() }

// context returns a context that ends with the link; its cause is the *Cause.
func (l *Link) context() context.Context { return l.ctx.get(l.Cause) }

// Cause returns why the link ends or has ended, nil while it is alive.
func (l *Link) Cause() *Cause { return l.cause.Load() }

// Every end of the link begins here. The first cause is kept, the context is cancelled with it,
// and the peer closes the link.
func (l *Link) end(c *Cause) {
	if l.Cause() == nil {
		c = l.explain(c)
	}
	if l.cause.CompareAndSwap(nil, c) {
		l.ctx.end(c)
		l.src.unpark()
		supervise.Send(l.root, l.pid, &closeLink{})
	}
}

// now returns the link's time in nanoseconds since its start; never 0.
func (l *Link) now() int64 { return max(1, int64(l.clock.Now().Sub(l.started))) }

// setWriteDeadline sets the deadline of the next write, never beyond the final deadline.
func (l *Link) setWriteDeadline(t time.Time) {
	// A closed connection refuses the deadline; the write that follows then fails too.
	_ = l.conn.SetWriteDeadline(t)
	// The final deadline may have been set concurrently, and takes precedence.
	if final := l.finalDeadline.Load(); final != 0 {
		_ = l.conn.SetWriteDeadline(time.Unix(0, final))
	}
}

// setFinalDeadline bounds every write from now on, including one that is in progress.
func (l *Link) setFinalDeadline(t time.Time) {
	l.finalDeadline.Store(t.UnixNano())
	_ = l.conn.SetWriteDeadline(t)
}

func (l *Link) finalDeadlineSet() bool { return l.finalDeadline.Load() != 0 }

// interruptRead makes a read that waits return os.ErrDeadlineExceeded.
func (l *Link) interruptRead() { l.setReadDeadline(time.Unix(1, 0)) }

// setReadDeadline sets the deadline of the next read. Once the link lingers, that deadline takes
// precedence, as the final deadline does for writes.
func (l *Link) setReadDeadline(t time.Time) {
	_ = l.conn.SetReadDeadline(t)
	if until := l.lingerUntil.Load(); until != 0 {
		_ = l.conn.SetReadDeadline(time.Unix(0, until))
	}
}

// label returns the fields that all journal records about the link share.
func (l *Link) label(of *actor.PID) supervise.Step {
	id := wire.NodeID(l.RemoteID())
	direction := "outbound"
	if l.inbound {
		direction = "inbound"
	}
	return supervise.Step{
		Actor:     supervise.Path(of),
		Peer:      hex.EncodeToString(id[:8]) + "@" + l.conn.RemoteAddr().String(),
		Direction: direction,
	}
}

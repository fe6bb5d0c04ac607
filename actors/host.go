package actors

import (
	"context"
	"errors"
	"iter"
	"sync/atomic"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/troupe-p2p/troupe/actors/supervise"
	"github.com/troupe-p2p/troupe/wire"
)

// ErrSeqActive is returned by SendSeq while another sequence is being sent.
var ErrSeqActive = errors.New("a sequence is being sent already")

// Host is one protocol on one link. It outlives the incarnations of its behaviour: what was read
// and not handled, and what was sent and not written, survives a crash (R4). Its exported methods
// are safe from any goroutine.
//
// There are two handles to send messages. Answer and AnswerPrepared are the behaviour's own
// handle: while a handler is at work (Message or Drained), what they queue counts as answers and
// holds the remote back (R2). Send and SendPrepared are for every other sender, such as
// goroutines and handlers of other links; what they queue never holds a remote back. If another
// goroutine uses the behaviour's own handle while a handler is at work, its messages count as
// answers too: that can only hold the remote back too much, never grow memory.
type Host struct {
	link     *Link
	protocol *Protocol // all links share it
	offset   uint64
	slot     slot
	pid      atomic.Pointer[actor.PID] // protoactor's own once the actor was spawned; nil before, unless asked for
	produce  func() Behaviour          // set by Mount, before the actor is spawned
	attached any                       // also set by Mount

	credit credit
	inbox  inbox
	outbox outbox
	ask    RequestWrite // the one request, sent again and again

	// grant is the token in the mailbox, kept here so that a host in the middle of a batch can
	// use it before it is taken back; or the token that rests with the host, which the end of a turn
	// uses.
	grant atomic.Pointer[WriteToken]

	lastCode atomic.Int64 // last message code handled, -1 for none
	writing  atomic.Int64 // bytes of the frames being written
	paused   atomic.Bool  // the remote does not read: delivery is stopped, or a write is in progress (R2)

	// Only the host's own turn uses the fields below.
	queue    []*batch   // read and not yet handled
	deferred []deferred // messages from other actors that arrived during a sequence
	seq      *sequence  // the one that is being pulled; nil: none
	held     bool       // the behaviour accepts nothing inbound now

	current incarnation
}

// sequence is a SendSeq that is being pulled.
type sequence struct {
	next func() (uint64, []byte, bool)
	stop func()

	held    bool // the payload was pulled and found no room
	code    uint64
	payload []byte
}

func newHost(l *Link, m Matched, s slot) *Host {
	p := m.Protocol.withDefaults()
	h := &Host{link: l, protocol: m.Protocol, offset: m.Offset, slot: s}
	h.ask = RequestWrite{slot: s}
	h.credit.limit = p.Budget
	h.outbox.limit, h.outbox.high, h.outbox.snappy = p.OutboxLimit, p.HighWater, l.snappy
	h.outbox.pause = supervise.Yield
	h.lastCode.Store(-1)
	h.produce = p.Mount(h)
	return h
}

// incarnate makes a new incarnation of the behaviour's actor in the place of the one before.
func (h *Host) incarnate() *incarnation {
	h.current = incarnation{Host: h}
	return &h.current
}

// Attach stores v with the host, for the code that mounted the protocol. Only Mount may call it.
func (h *Host) Attach(v any) { h.attached = v }

// Attached returns the value that Mount attached, or nil.
func (h *Host) Attached() any { return h.attached }

// Link returns the link that the protocol runs on.
func (h *Host) Link() *Link { return h.link }

// Protocol returns the protocol with its defaults filled in.
func (h *Host) Protocol() Protocol { return h.protocol.withDefaults() }

// label returns the protocol's name/version.
func (h *Host) label() string { return h.protocol.Cap().String() }

// PID returns the host's actor. It stays the same across restarts.
func (h *Host) PID() *actor.PID {
	if pid := h.pid.Load(); pid != nil {
		return pid
	}
	peer := h.link.pid
	h.pid.CompareAndSwap(nil, actor.NewPID(peer.Address, peer.Id+"/"+h.protocol.Name))
	return h.pid.Load()
}

// Hold stops or resumes the delivery of inbound messages to the behaviour. Messages not delivered
// keep their part of the budget, so that the remote is held back in the end (R1, R6). Only the
// behaviour may call it, from one of its methods. A restart ends the hold.
func (h *Host) Hold(on bool) { h.held = on }

// Go runs f in a goroutine whose panic is a crash of the host's actor.
func (h *Host) Go(f func()) { supervise.Go(h.link.root, h.PID(), f) }

// Tell sends a message to the host's actor; the behaviour receives it by Other.
func (h *Host) Tell(msg any) { supervise.Send(h.link.root, h.PID(), msg) }

// Clock returns the link's clock.
func (h *Host) Clock() supervise.Clock { return h.link.clock }

// AfterFunc is the clock's AfterFunc for a wait for the remote. If this node did not run meanwhile, f
// runs later, so that what has arrived is read before.
func (h *Host) AfterFunc(d time.Duration, f func()) supervise.Timer {
	return h.link.watch.AfterFunc(h.link.clock, d, f)
}

// Context returns a context that ends with the link; its cause is the *Cause.
func (h *Host) Context() context.Context { return h.link.context() }

// Send queues one message and copies payload. It never blocks. The error is ErrOutboxFull,
// ErrLinkDown, a *CodeError, or an error of package wire for a message that does not fit a frame.
// On an error nothing is queued, and the link goes on.
func (h *Host) Send(code uint64, payload []byte) error {
	return h.send(code, payload, sendMode{owed: true})
}

// Answer is Send for the behaviour itself, from one of its methods.
func (h *Host) Answer(code uint64, payload []byte) error {
	return h.send(code, payload, sendMode{owed: true, own: true})
}

func (h *Host) send(code uint64, payload []byte, mode sendMode) error {
	if err := h.checkCode(code); err != nil {
		return err
	}
	mode.urgent = h.isUrgent(code)
	request, err := h.outbox.offer(h.offset+code, payload, mode)
	if err != nil {
		return err
	}
	h.sent(request, code, len(payload))
	return nil
}

// SendPrepared queues a payload that other links get as well; it is neither copied nor compressed
// for this link. full decides what happens when there is no room. The errors are those of Send.
func (h *Host) SendPrepared(code uint64, p *Prepared, full Full) error {
	return h.sendPrepared(code, p, full, false)
}

// AnswerPrepared is SendPrepared with [Refuse] for the behaviour itself, from one of its methods.
func (h *Host) AnswerPrepared(code uint64, p *Prepared) error {
	return h.sendPrepared(code, p, Refuse, true)
}

func (h *Host) sendPrepared(code uint64, p *Prepared, full Full, own bool) error {
	if err := h.checkCode(code); err != nil {
		return err
	}
	request, err := h.outbox.offerPrepared(h.offset+code, p, full, sendMode{urgent: h.isUrgent(code), own: own})
	if err != nil {
		return err
	}
	h.sent(request, code, len(p.payload))
	return nil
}

func (h *Host) checkCode(code uint64) error {
	if code >= h.protocol.Length {
		return &CodeError{Protocol: h.label(), Code: code, Length: h.protocol.Length}
	}
	return nil
}

func (h *Host) isUrgent(code uint64) bool {
	return h.protocol.Urgent != nil && h.protocol.Urgent(code)
}

// sent runs after a message was queued: it requests the token if necessary, counts the message
// and publishes its event.
func (h *Host) sent(request bool, code uint64, size int) {
	if request {
		supervise.Send(h.link.root, h.link.pid, &h.ask)
	}
	h.link.msgsOut.Add(1)
	if feed := h.link.feed; feed.active() {
		feed.publish(MessageEvent{
			Time: h.link.clock.Now(), Link: h.link, Protocol: h.protocol.Cap(), Code: code, Size: size, Sent: true,
		})
	}
}

// AwaitRoom reports whether the outbox has room for so many bytes, at most its limit. If not, one
// Drained follows when it has.
func (h *Host) AwaitRoom(bytes int) bool { return h.outbox.awaitRoom(bytes) }

// SendSeq sends a large answer. The sequence is pulled in the host's turn as the outbox drains;
// until it ends, nothing else is delivered to the behaviour (R7). Only the behaviour may call it,
// from one of its methods. A payload is copied before the next one is pulled.
func (h *Host) SendSeq(seq iter.Seq2[uint64, []byte]) error {
	if h.seq != nil {
		return ErrSeqActive
	}
	if h.link.Cause() != nil || h.outbox.isClosed() {
		return ErrLinkDown
	}
	next, stop := iter.Pull2(seq)
	h.seq = &sequence{next: next, stop: stop}
	return nil
}

// Disconnect ends the link. err gives details and may be nil.
func (h *Host) Disconnect(reason wire.DiscReason, err error) {
	h.link.end(h.cause(Local, reason, err))
}

// cause returns a cause that names this protocol and its last message code.
func (h *Host) cause(side Side, reason wire.DiscReason, err error) *Cause {
	c := &Cause{Side: side, Reason: reason, Protocol: h.label(), Err: err}
	if code := h.lastCode.Load(); code >= 0 {
		c.Code, c.HasCode = uint64(code), true
	}
	return c
}

// release returns all that the host holds. Its actor is stopping or gone.
func (h *Host) release() {
	h.outbox.close()
	h.inbox.close()
	for _, b := range h.queue {
		h.giveCredit(b.cost)
		b.free()
	}
	h.queue, h.deferred = nil, nil
}

// giveCredit returns inbound credit and wakes a waiting reader.
func (h *Host) giveCredit(n int64) {
	h.credit.give(n, &h.link.wake)
}

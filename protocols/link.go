package protocols

import (
	"context"
	"encoding/hex"
	"fmt"
	"iter"
	"net/netip"
	"reflect"
	"sync"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/troupe-p2p/troupe/actors"
)

// Link is a handle of one protocol on one link to a remote node. It stays the same across
// restarts of the actor, and is safe from any goroutine. Each link has two handles, which differ
// only in the sender that they stand for.
//
// [LinkUp] has the actor's own handle. What the actor sends with it while it handles
// a message of the remote counts as an answer to the remote: while more of that than
// [Limits].HighWater waits to be written, or some of it was refused, the actor gets no further
// message of the remote. So a remote that sends requests and does not read holds itself back.
//
// [Link.Shared] is the handle of every other sender: goroutines, services, and actors of other
// links. [LinkJoined], [LinkLeft], [Broadcast], [Call] and [ReadWriter] use it too. What is sent
// with it fills the outbox like everything else, but never stops the delivery of the remote's
// messages to the actor.
//
// Keep that handle in the link's actor. If another goroutine uses it while the actor handles a
// message, that counts as an answer as well and can hold the remote back without need.
type Link struct {
	*linkCore
	own bool
}

// linkCore is what the handles of one protocol on one link share. It holds both.
type linkCore struct {
	ownHandle    Link
	sharedHandle Link

	host     *actors.Host
	set      *messageSet
	peerInfo func(*Link) any
	greeted  bool      // an actor has received its LinkUp; only the host's turn uses it
	greeting *greeting // nil without a handshake
	asks     *askTable // nil without requests
	service  *service  // nil without a service
	onward   *onward   // nil without a service
	holds    hold      // why nothing of the remote is delivered; only the host's turn uses it

	mu     sync.Mutex
	states map[reflect.Type]any
}

// newLink makes a link's handles, and returns the actor's own.
func newLink(h *actors.Host, set *messageSet, s *Spec, shake *Handshake) *Link {
	c := &linkCore{host: h, set: set, peerInfo: s.PeerInfo}
	c.ownHandle, c.sharedHandle = Link{linkCore: c, own: true}, Link{linkCore: c}
	l := &c.ownHandle
	if shake != nil {
		l.greeting = &greeting{Handshake: shake, code: set.codes[shake.typ]}
	}
	if set.asks != nil {
		l.asks = newAskTable(s.Limits.withDefaults().Asks, s.OnlyAsked)
	}
	return l
}

// Shared returns the link's handle for every sender except the link's own actor. It is one
// pointer for the link's life, also in [LinkJoined] and [LinkLeft], so that it can be compared
// and used as the key of a map. Shared of a shared handle returns that handle.
func (l *Link) Shared() *Link { return &l.sharedHandle }

// Go runs f in a goroutine. A panic of f is a crash of the link's actor, and does not end the
// process. The goroutine outlives a restart of the actor, and the link; f should return when
// [Link.Context] ends, and send by [Link.Shared].
func (l *Link) Go(f func()) { l.host.Go(f) }

// Send queues a message: a value, or a pointer to one, of a type in the running version's
// Messages, a *RawMessage, or an *[Encoded]. The message is encoded before Send returns. Send
// never blocks. Errors: [ErrOutboxFull], [ErrLinkDown], *[UnknownTypeError], RLP's, a
// *[LimitError] beyond the type's [MaxSize], or that the message does not fit a frame; nothing is
// queued then and the link goes on.
func (l *Link) Send(msg any) error {
	if e, ok := msg.(*Encoded); ok && e != nil {
		return l.sendEncoded(e, actors.Refuse)
	}
	code, payload, e, err := l.set.encode(msg)
	if err != nil {
		return err
	}
	if l.own {
		err = l.host.Answer(code, payload)
	} else {
		err = l.host.Send(code, payload)
	}
	if e != nil {
		e.free()
	}
	return err
}

// SendSeq sends a large answer. Messages are pulled from seq in the actor's own turn as the
// outbox drains; until seq ends, nothing else is delivered to the actor. Only the link's actor
// may call it, from Receive. A message that cannot be sent is a panic of the actor, because the
// remote waits for a rest that would not arrive. Errors: [ErrSeqActive], [ErrLinkDown].
func (l *Link) SendSeq(seq iter.Seq[any]) error {
	return l.host.SendSeq(func(yield func(uint64, []byte) bool) {
		for msg := range seq {
			code, payload, e, err := l.set.encode(msg)
			if err != nil {
				panic(err)
			}
			more := yield(code, payload)
			if e != nil {
				e.free()
			}
			if !more {
				return
			}
		}
	})
}

// AwaitRoom reports whether so many bytes, at most [Limits].Outbox, can be sent before Send is
// refused. If not, one *[Drained] follows when they can. It is for actors that prepare a large
// answer, and should not do so while the remote does not read those before.
func (l *Link) AwaitRoom(bytes int) bool { return l.host.AwaitRoom(bytes) }

// hold is a set of reasons to deliver nothing of the remote to the actor.
type hold uint8

const (
	heldByActor   hold = 1 << iota // Link.Hold
	heldByService                  // the service lags
)

func (l *Link) holdFor(why hold, on bool) {
	if on {
		l.holds |= why
	} else {
		l.holds &^= why
	}
	l.host.Hold(l.holds != 0)
}

// Hold stops or resumes the delivery of the remote's messages to the link's actor, which still
// gets those of other actors. What is not delivered fills [Limits].Inbound, and then holds the
// remote back; after 20 s of that the link ends, as with an actor that hangs. Hold is for an actor
// whose work is done elsewhere, such as in goroutines, and is behind. Only the link's actor may call
// it, from Receive. A restart of the actor ends the hold.
func (l *Link) Hold(on bool) { l.holdFor(heldByActor, on) }

// Disconnect ends the link, for all protocols that run on it. The remote receives the reason;
// queued messages are dropped.
func (l *Link) Disconnect(reason DiscReason) { l.host.Disconnect(reason, nil) }

// DisconnectWithError is Disconnect with an error for this side's log and the [LinkDown], such as
// what was expected and what arrived.
//
//	if msg.Genesis != ours {
//		link.DisconnectWithError(protocols.DiscUselessPeer, fmt.Errorf("genesis %x, want %x", msg.Genesis, ours))
//	}
func (l *Link) DisconnectWithError(reason DiscReason, err error) { l.host.Disconnect(reason, err) }

// Context returns a context that ends with the link. Its cause is a *Cause.
func (l *Link) Context() context.Context { return l.host.Context() }

// Self returns the PID of the link's actor, for messages from outside. It stays the same across
// restarts.
func (l *Link) Self() *actor.PID { return l.host.PID() }

// Name returns the protocol's name.
func (l *Link) Name() string { return l.host.Protocol().Name }

// Version returns the version that runs on this link.
func (l *Link) Version() uint { return l.host.Protocol().Version }

// Peer is the node at the other end.
type Peer struct {
	ID      string         // the node's public key in hex, 128 digits
	Name    string         // from its Hello; any text is possible
	Addr    netip.AddrPort // zero if the connection is not TCP
	Inbound bool           // the remote dialed
	Caps    []string       // protocols that run on the link, name/version

	// The operator has made the remote a static or trusted node. It may change while the link is up.
	Static, Trusted bool
}

// Peer returns the node at the other end.
func (l *Link) Peer() Peer {
	link := l.host.Link()
	id := link.RemoteID()
	p := Peer{ID: hex.EncodeToString(id[:]), Name: link.Hello().Name, Inbound: link.Inbound()}
	p.Static, p.Trusted = link.Standing()
	if a, ok := link.RemoteAddr().(interface{ AddrPort() netip.AddrPort }); ok {
		at := a.AddrPort() // a dual-stack socket reports IPv4 as IPv6
		p.Addr = netip.AddrPortFrom(at.Addr().Unmap(), at.Port())
	}
	for _, c := range link.Caps() {
		p.Caps = append(p.Caps, c.String())
	}
	return p
}

// State returns what the protocol stores for the link across restarts: one T for each link, zero
// at first. It has no lock: only the link's actor should use it.
func State[T any](l *Link) *T {
	l.mu.Lock()
	defer l.mu.Unlock()
	key := reflect.TypeFor[T]()
	if s, ok := l.states[key]; ok {
		return s.(*T)
	}
	if l.states == nil {
		l.states = map[reflect.Type]any{}
	}
	s := new(T)
	l.states[key] = s
	return s
}

// PeerInfo returns what a host's protocol reports about its link: "unknown" without a hook, and
// "handshake" during the Version's Handshake or while the hook returns nil or a nil pointer. A
// panic of the hook is an error of the protocol and not of the caller: its text is returned
// instead of the information.
func PeerInfo(h *actors.Host) (info any) {
	l, ok := h.Attached().(*Link)
	if !ok || l.peerInfo == nil {
		return "unknown"
	}
	if !l.greeting.done() {
		return "handshake"
	}
	defer func() {
		if value := recover(); value != nil {
			info = fmt.Sprintf("PeerInfo of %s panicked: %v", l.set.label, value)
		}
	}()
	info = l.peerInfo(l.Shared())
	if v := reflect.ValueOf(info); info == nil || v.Kind() == reflect.Pointer && v.IsNil() {
		return "handshake"
	}
	return info
}

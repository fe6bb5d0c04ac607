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

// Link is a handle of one protocol on one link to a remote node. It stays the same over
// restarts of the actor, and is safe from any goroutine. Each link has two handles, which
// differ in one thing: who sends.
//
// [LinkUp] brings the own handle of the link's actor. What the actor sends with it while it
// handles a message of the remote counts as an answer to the remote: while more of that
// than [Limits].HighWater waits to be written, or some of it was refused, the actor gets no
// further message of the remote. So a remote that asks and does not read stalls itself.
//
// [Link.Shared] is the handle of every other sender: goroutines, services, and actors of
// other links. [LinkJoined], [LinkLeft], [Broadcast], [Call] and [ReadWriter] use it too.
// What is sent with it fills the outbox like everything else, but never keeps the remote's
// messages from the actor.
//
// Keep the own handle in the link's actor. Another goroutine that uses it while the actor
// handles a message sends answers as well, and so can hold the remote back without need.
type Link struct {
	*linkCore
	own bool
}

// linkCore is what the handles of one protocol on one link have in common. It holds both.
type linkCore struct {
	ownHandle    Link
	sharedHandle Link

	host     *actors.Host
	set      *messageSet
	peerInfo func(*Link) any
	greeted  bool      // an actor has got its LinkUp; only the host's turn touches it
	greeting *greeting // nil without a handshake
	asks     *askTable // nil without requests
	service  *service  // nil without
	onward   *onward   // nil without a service

	mu     sync.Mutex
	states map[reflect.Type]any
}

// newLink makes a link's handles, and returns the own one.
func newLink(h *actors.Host, set *messageSet, peerInfo func(*Link) any, shake *Handshake, asks int) *Link {
	c := &linkCore{host: h, set: set, peerInfo: peerInfo}
	c.ownHandle, c.sharedHandle = Link{linkCore: c, own: true}, Link{linkCore: c}
	l := &c.ownHandle
	if shake != nil {
		l.greeting = &greeting{Handshake: shake, code: set.codes[shake.typ]}
	}
	if set.asks != nil {
		l.asks = newAskTable(asks)
	}
	return l
}

// Shared returns the link's handle for every sender but the link's own actor. It is one
// pointer for the link's life, also in [LinkJoined] and [LinkLeft], so that it can be
// compared and be the key of a map. Shared of a shared handle returns that handle.
func (l *Link) Shared() *Link { return &l.sharedHandle }

// Go runs f in a goroutine whose panic is a crash of the link's actor, and not the end of
// the process. The goroutine outlives a restart of the actor, and the link; f returns when
// [Link.Context] ends, and sends by [Link.Shared].
func (l *Link) Go(f func()) { l.host.Go(f) }

// Send queues a message: a value, or a pointer to one, of a type in the running
// version's Messages, a *RawMessage, or an *[Encoded]. It is encoded before Send
// returns, and never waits. Errors: [ErrOutboxFull], [ErrLinkDown],
// *[UnknownTypeError], RLP's, a *[LimitError] beyond the type's [MaxSize], or that the
// message can't fit a frame; nothing is queued then and the link goes on.
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

// SendSeq sends a large answer: messages are pulled from seq as the outbox drains,
// in the actor's own turn, and until seq ends nothing else is delivered to the
// actor. Only the link's actor may call it, from Receive. A message that can't be
// sent is a panic of the actor: the remote waits for the rest, which would not
// come. Errors: [ErrSeqActive], [ErrLinkDown].
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

// Disconnect ends the link, for all protocols that run on it. The remote is told
// the reason; what is still queued is dropped.
func (l *Link) Disconnect(reason DiscReason) { l.host.Disconnect(reason, nil) }

// DisconnectWithError is Disconnect with words for this side's log and the
// [LinkDown]: what the remote should have sent, and what came.
//
//	if msg.Genesis != ours {
//		link.DisconnectWithError(protocols.DiscUselessPeer, fmt.Errorf("genesis %x, want %x", msg.Genesis, ours))
//	}
func (l *Link) DisconnectWithError(reason DiscReason, err error) { l.host.Disconnect(reason, err) }

// Context ends when the link does. Its cause is a *Cause.
func (l *Link) Context() context.Context { return l.host.Context() }

// Self is the link's actor, for messages from outside. It stays the same over
// restarts.
func (l *Link) Self() *actor.PID { return l.host.PID() }

// Name is the protocol's.
func (l *Link) Name() string { return l.host.Protocol().Name }

// Version is the one that runs on this link.
func (l *Link) Version() uint { return l.host.Protocol().Version }

// Peer is who is at the other end.
type Peer struct {
	ID      string         // the node's public key in hex, 128 digits
	Name    string         // as it calls itself; it may say anything
	Addr    netip.AddrPort // zero where the connection is not TCP
	Inbound bool           // it dialed
	Caps    []string       // protocols that run on the link, name/version
}

// Peer tells who is at the other end.
func (l *Link) Peer() Peer {
	link := l.host.Link()
	id := link.RemoteID()
	p := Peer{ID: hex.EncodeToString(id[:]), Name: link.Hello().Name, Inbound: link.Inbound()}
	if a, ok := link.RemoteAddr().(interface{ AddrPort() netip.AddrPort }); ok {
		at := a.AddrPort() // a socket for both families gives IPv4 as IPv6
		p.Addr = netip.AddrPortFrom(at.Addr().Unmap(), at.Port())
	}
	for _, c := range link.Caps() {
		p.Caps = append(p.Caps, c.String())
	}
	return p
}

// State is what the protocol remembers of the link over restarts: one T for each
// link, zero at first. It is not guarded: the link's actor has it to itself unless
// it gives it away.
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

// PeerInfo is what a host's protocol says about its link: "unknown" without a
// hook, "handshake" during the Version's Handshake and while the hook has nothing to
// say, which a nil pointer is, too.
// A hook that panics is the author's mistake and not the asker's: the panic stands
// in the place of the information.
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

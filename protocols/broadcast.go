package protocols

import (
	"fmt"
	"iter"
	"reflect"

	"github.com/ethereum/go-ethereum/rlp"

	"github.com/troupe-p2p/troupe/actors"
)

// Encoded is a message for many links. It is encoded once, and compressed once, by the first link
// that takes it. A large one is in memory once while it waits in their outboxes. It is safe from
// any goroutine, and can be sent any number of times.
type Encoded struct {
	typ      reflect.Type // of T; nil for a RawMessage
	code     uint64       // of a RawMessage
	prepared *actors.Prepared
}

// Encode encodes a message: a value of a message's type or a pointer to one, or a *[RawMessage],
// whose Payload must not be changed any more. Sending checks whether a version has such a
// message: [Link.Send] accepts an *Encoded, and so does [Broadcast]. The error is RLP's, or
// [ErrMessageTooLarge].
func Encode(msg any) (*Encoded, error) {
	if m, ok := msg.(*RawMessage); ok && m != nil {
		p, err := actors.Prepare(m.Payload)
		if err != nil {
			return nil, err
		}
		return &Encoded{code: m.Code, prepared: p}, nil
	}
	v := reflect.ValueOf(msg)
	if !v.IsValid() || v.Kind() == reflect.Pointer && v.IsNil() {
		return nil, fmt.Errorf("encode %T: nothing to encode", msg)
	}
	payload, err := rlp.EncodeToBytes(msg)
	if err != nil {
		return nil, fmt.Errorf("encode %T: %w", msg, err)
	}
	p, err := actors.Prepare(payload)
	if err != nil {
		return nil, fmt.Errorf("encode %T: %w", msg, err)
	}
	return &Encoded{typ: reflect.Indirect(v).Type(), prepared: p}, nil
}

// Size returns the payload's size in bytes before compression.
func (e *Encoded) Size() int { return len(e.prepared.Payload()) }

// Compressions returns how often the message was compressed: 0 or 1.
func (e *Encoded) Compressions() int { return e.prepared.Compressions() }

// codeOf returns the code of the message in this version.
func (s *messageSet) codeOf(e *Encoded) (uint64, error) {
	var code uint64
	var ok bool
	var what string
	if e.typ != nil {
		code, ok = s.codes[e.typ]
		what = e.typ.String()
	} else {
		code = e.code
		ok = code < uint64(len(s.messages)) && s.messages[code].kind == raw
		what = fmt.Sprintf("raw message 0x%02x", code)
	}
	if !ok {
		return 0, &UnknownTypeError{Protocol: s.label, Type: what}
	}
	if err := s.messages[code].fits(e.Size()); err != nil {
		return 0, fmt.Errorf("send %s of %s: %w", what, s.label, err)
	}
	return code, nil
}

// WhenFull decides what [Broadcast] does with a link whose outbox has no room.
type WhenFull = actors.Full

// The policies of a broadcast.
const (
	// Drop skips the link: newer messages will follow.
	Drop = actors.Drop
	// Wait queues the message up to twice the Outbox of the [Limits], and skips the link beyond
	// that: a remote that reads slowly receives it late.
	Wait = actors.Wait
)

// Delivery is the result of a [Broadcast].
type Delivery struct {
	Queued int     // links that have queued the message
	Full   []*Link // links without room
	Down   []*Link // links that have ended
	// Unable are links whose version has no such message or has a smaller limit for it, or for
	// which it does not fit a frame.
	Unable []*Link
}

// Broadcast sends one message to many links, which may run different versions. The message is
// encoded once and compressed once. Neither the caller nor any link waits for another link; no
// *[Drained] follows a refusal. No link counts the message as an answer, whichever of its handles
// is given: see [Link]. msg is what [Encode] accepts, or an *[Encoded]. The error is that of
// Encode; no link has the message then.
func Broadcast(links iter.Seq[*Link], msg any, full WhenFull) (Delivery, error) {
	var d Delivery
	if full != Drop && full != Wait {
		return d, fmt.Errorf("broadcast: a policy of %d, want Drop or Wait", full)
	}
	e, ok := msg.(*Encoded)
	if !ok || e == nil {
		var err error
		if e, err = Encode(msg); err != nil {
			return d, err
		}
	}
	for l := range links {
		switch err := l.Shared().sendEncoded(e, full); err {
		case nil:
			d.Queued++
		case ErrOutboxFull:
			d.Full = append(d.Full, l)
		case ErrLinkDown:
			d.Down = append(d.Down, l)
		default:
			d.Unable = append(d.Unable, l)
		}
	}
	return d, nil
}

// sendEncoded queues a prepared message. The own handle ignores full, because Broadcast never
// sends with it.
func (l *Link) sendEncoded(e *Encoded, full WhenFull) error {
	code, err := l.set.codeOf(e)
	if err != nil {
		return err
	}
	if l.own {
		return l.host.AnswerPrepared(code, e.prepared)
	}
	return l.host.SendPrepared(code, e.prepared, full)
}

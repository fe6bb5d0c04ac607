package protocols

import (
	"errors"
	"fmt"
	"reflect"

	"github.com/ethereum/go-ethereum/rlp"
)

// Message says what stands behind one message code. It is made by [Type], [Raw]
// or [Ignore].
type Message struct {
	kind   kind
	typ    reflect.Type              // of a typed message: the struct
	decode func([]byte) (any, error) // payload to *T
	check  func() error              // what keeps the type from being a message

	maxSize  int  // bytes of payload; 0: what a frame takes
	maxItems int  // RLP values in the payload; 0: no limit
	urgent   bool // it goes ahead of others that wait to be written
	trailing bool // elements behind those that the type has are passed over
	badLimit bool // a limit that is none was asked for

	answers reflect.Type // the request's type, where the message is an answer
}

type kind uint8

const (
	missing kind = iota
	typed
	raw
	ignored
)

// Type is a message that is decoded into a T, usually a struct, by the rules of
// go-ethereum's package rlp: strictly, unless its tags ("optional", "tail") or
// [TolerateTrailing] allow more. It is delivered as *T, a copy that the actor may
// keep. A T must have a known depth: neither contain itself nor an interface.
func Type[T any](opts ...MessageOption) Message {
	m := Message{
		kind: typed,
		typ:  reflect.TypeFor[T](),
		decode: func(payload []byte) (any, error) {
			v := new(T)
			if err := rlp.DecodeBytes(payload, v); err != nil {
				return nil, err
			}
			return v, nil
		},
		check: checkType[T],
	}
	return m.with(opts)
}

// Raw is a message that is delivered undecoded, as *[RawMessage].
func Raw(opts ...MessageOption) Message { return Message{kind: raw}.with(opts) }

// Ignore is a message that may come and is dropped, such as a reserved code.
func Ignore() Message { return Message{kind: ignored} }

// MessageOption says more about a [Type] or [Raw] message.
type MessageOption func(*Message)

func (m Message) with(opts []MessageOption) Message {
	for _, opt := range opts {
		opt(&m)
	}
	return m
}

// MaxSize is the largest payload of the message, in bytes of RLP. A larger one is
// not decoded: it ends the link as a breach of protocol, with a [LimitError]. Nor is
// one sent, because the remote has the same rule. Without this option a message may
// be as large as a frame takes, 16 MiB - 1.
func MaxSize(bytes int) MessageOption {
	return func(m *Message) { m.maxSize, m.badLimit = bytes, m.badLimit || bytes <= 0 }
}

// MaxItems is how many RLP values the message may have, lists and their elements all
// counted, however deep. A message with more is not decoded: it ends the link as a
// breach of protocol, with a [LimitError]. One byte of RLP can become a struct of many
// words, so that for a type with lists this bounds the memory, where MaxSize does not.
func MaxItems(n int) MessageOption {
	return func(m *Message) { m.maxItems, m.badLimit = n, m.badLimit || n <= 0 }
}

// TolerateTrailing passes over elements that the remote's message has behind those of
// the type, so that a later version of the protocol can append fields: the rule of
// EIP-8. The type must be a struct. It is for protocols that say so; others hold a
// message with too many elements to be a breach.
func TolerateTrailing() MessageOption {
	return func(m *Message) { m.trailing = true }
}

// Urgent lets the message go ahead of the protocol's others that wait to be written, and
// be sent while they fill the outbox, by up to 64 KiB: control before bulk. It overtakes
// what was sent before it, so that it is not for a protocol in which the order of the two
// says something. What is being written, at most 64 KiB or one message, is finished.
func Urgent() MessageOption { return func(m *Message) { m.urgent = true } }

// checkOptions says which options don't fit the message.
func (m *Message) checkOptions() error {
	switch {
	case m.badLimit:
		return errors.New("a limit of zero or less lets nothing through")
	case m.kind == raw && (m.maxItems > 0 || m.trailing):
		return errors.New("MaxItems and TolerateTrailing are for messages that are decoded, not for Raw")
	case m.trailing && m.typ.Kind() != reflect.Struct:
		return fmt.Errorf("TolerateTrailing is for structs, not for %v", m.typ)
	case m.trailing && decodesItself(m.typ):
		return fmt.Errorf("TolerateTrailing can't be told to %v, which has a DecodeRLP of its own", m.typ)
	}
	return nil
}

// open decodes a payload within the message's limits.
func (m *Message) open(payload []byte) (any, error) {
	if m.maxItems > 0 {
		if n := countItems(payload, m.maxItems); n > m.maxItems {
			return nil, &LimitError{What: "RLP values", Limit: m.maxItems, Got: n}
		}
	}
	if m.trailing {
		payload = cutTrailing(payload, countFields(m.typ))
	}
	return m.decode(payload)
}

// fits says whether a payload of that size is within the limit.
func (m *Message) fits(size int) error {
	if m.maxSize > 0 && size > m.maxSize {
		return &LimitError{What: "bytes", Limit: m.maxSize, Got: size}
	}
	return nil
}

// name is the message's type for errors.
func (m *Message) name() string {
	if m.kind == typed {
		return m.typ.String()
	}
	return "raw message"
}

// LimitError is about a message beyond its [MaxSize] or [MaxItems].
type LimitError struct {
	What  string // "bytes" or "RLP values"
	Limit int
	Got   int // of RLP values at least so many: counting ends beyond the limit
}

func (e *LimitError) Error() string {
	if e.What == "bytes" {
		return fmt.Sprintf("has %d bytes, at most %d are allowed", e.Got, e.Limit)
	}
	return fmt.Sprintf("has more than the %d %s that are allowed", e.Limit, e.What)
}

// DecodeError is the end of a link whose remote sent bytes that are not the
// message that their code stands for.
type DecodeError struct {
	Protocol string // name/version
	Peer     string // node ID in hex and address
	Code     uint64
	Type     string // "raw message" where it has none
	Err      error  // RLP's, which names the field, or a *LimitError
}

func (e *DecodeError) Error() string {
	return fmt.Sprintf("message 0x%02x of %s from %s is no %s: %v", e.Code, e.Protocol, e.Peer, e.Type, e.Err)
}

// Unwrap gives the RLP error or the *LimitError.
func (e *DecodeError) Unwrap() error { return e.Err }

package protocols

import (
	"errors"
	"fmt"
	"reflect"

	"github.com/ethereum/go-ethereum/rlp"
)

// Message declares the message of one code. It is made by [Type], [Raw], [Ignore] or [Unused].
type Message struct {
	kind   kind
	typ    reflect.Type              // of a typed message: the struct
	decode func([]byte) (any, error) // payload to *T
	check  func() error              // returns why the type cannot be a message

	maxSize  int  // bytes of payload; 0: what fits a frame
	maxItems int  // RLP values in the payload; 0: no limit
	urgent   bool // it goes ahead of other messages that wait to be written
	trailing bool // additional elements at the end are ignored
	badLimit bool // an invalid limit was requested

	answers reflect.Type // the request's type, if the message is an answer
}

type kind uint8

const (
	missing kind = iota
	typed
	raw
	ignored
	unused
)

// Type is a message that is decoded into a T, usually a struct, by the rules of go-ethereum's
// package rlp: strictly, unless its tags ("optional", "tail") or [TolerateTrailing] allow more.
// It is delivered as *T, a copy that the actor may keep. A T must have a known depth: it must
// contain neither itself nor an interface.
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

// Ignore is a message that may arrive and is dropped, such as a reserved code.
func Ignore() Message { return Message{kind: ignored} }

// Unused is a code that the version does not have, among others that it has. A message with that
// code ends the link with a protocol error.
func Unused() Message { return Message{kind: unused} }

// MessageOption is an option of a [Type] or [Raw] message.
type MessageOption func(*Message)

func (m Message) with(opts []MessageOption) Message {
	for _, opt := range opts {
		opt(&m)
	}
	return m
}

// MaxSize is the largest payload of the message, in bytes of RLP. A larger one is neither
// decompressed nor decoded: it ends the link with a protocol error, a [LimitError]. A larger one
// is not sent either, because the remote has the same rule. Without this option a message may be
// as large as a frame allows, 16 MiB - 1.
func MaxSize(bytes int) MessageOption {
	return func(m *Message) { m.maxSize, m.badLimit = bytes, m.badLimit || bytes <= 0 }
}

// MaxItems is how many RLP values the message may have; lists and their elements all count, at
// every depth. A message with more is not decoded: it ends the link with a protocol error, a
// [LimitError]. One byte of RLP can become a struct of many words, so for a type with lists this
// bounds the memory, which MaxSize does not.
func MaxItems(n int) MessageOption {
	return func(m *Message) { m.maxItems, m.badLimit = n, m.badLimit || n <= 0 }
}

// TolerateTrailing ignores elements of the remote's message after those of the type, so that a
// later version of the protocol can append fields: the rule of EIP-8. The type must be a struct.
// Use it only if the protocol's specification allows it; otherwise too many elements are a
// protocol error.
func TolerateTrailing() MessageOption {
	return func(m *Message) { m.trailing = true }
}

// Urgent lets the message go ahead of the protocol's other messages that wait to be written. It
// can be sent while the outbox is full, by up to 64 KiB: control before bulk. It overtakes
// earlier messages, so do not use it if their order matters. A write in progress, at most 64 KiB
// or one message, is finished first.
func Urgent() MessageOption { return func(m *Message) { m.urgent = true } }

// checkOptions returns an error if an option does not fit the message.
func (m *Message) checkOptions() error {
	switch {
	case m.badLimit:
		return errors.New("a limit must be positive")
	case m.kind == raw && (m.maxItems > 0 || m.trailing):
		return errors.New("MaxItems and TolerateTrailing are for messages that are decoded, not for Raw")
	case m.trailing && m.typ.Kind() != reflect.Struct:
		return fmt.Errorf("TolerateTrailing is for structs, not for %v", m.typ)
	case m.trailing && decodesItself(m.typ):
		return fmt.Errorf("TolerateTrailing does not apply to %v, which has its own DecodeRLP", m.typ)
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

// fits returns an error if a payload of that size exceeds the limit.
func (m *Message) fits(size int) error {
	if m.maxSize > 0 && size > m.maxSize {
		return &LimitError{What: "bytes", Limit: m.maxSize, Got: size}
	}
	return nil
}

// name returns the message's type for errors.
func (m *Message) name() string {
	if m.kind == typed {
		return m.typ.String()
	}
	return "raw message"
}

// LimitError is the error of a message beyond its [MaxSize] or [MaxItems].
type LimitError struct {
	What  string // "bytes" or "RLP values"
	Limit int
	Got   int // of RLP values at least this many: counting stops beyond the limit
}

func (e *LimitError) Error() string {
	if e.What == "bytes" {
		return fmt.Sprintf("has %d bytes, at most %d are allowed", e.Got, e.Limit)
	}
	return fmt.Sprintf("has more than the %d %s that are allowed", e.Limit, e.What)
}

// DecodeError is the error of a link whose remote sent bytes that are not a valid message of
// their code.
type DecodeError struct {
	Protocol string // name/version
	Peer     string // node ID in hex and address
	Code     uint64
	Type     string // "raw message" if it has none
	Err      error  // RLP's, which names the field, or a *LimitError
}

func (e *DecodeError) Error() string {
	return fmt.Sprintf("message 0x%02x of %s from %s is not a valid %s: %v", e.Code, e.Protocol, e.Peer, e.Type, e.Err)
}

// Unwrap returns the RLP error or the *LimitError.
func (e *DecodeError) Unwrap() error { return e.Err }

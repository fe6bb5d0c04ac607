package protocols

import (
	"fmt"
	"reflect"
	"slices"
	"sync"

	"github.com/ethereum/go-ethereum/rlp"
)

// messageSet is one version's messages, indexed by code and by type.
type messageSet struct {
	label    string // name/version
	messages []Message
	codes    map[reflect.Type]uint64   // of T and of *T
	asks     map[reflect.Type]*askRule // by the request's T; nil without requests
}

// urgent returns which codes are urgent, nil if none are.
func (s *messageSet) urgent() func(code uint64) bool {
	if !slices.ContainsFunc(s.messages, func(m Message) bool { return m.urgent }) {
		return nil
	}
	return func(code uint64) bool { return code < uint64(len(s.messages)) && s.messages[code].urgent }
}

// maxSizes returns the largest payload of each message in bytes, 0 where there is no limit.
func (s *messageSet) maxSizes() []int {
	sizes := make([]int, len(s.messages))
	for code, m := range s.messages {
		sizes[code] = m.maxSize
	}
	return sizes
}

func newMessageSet(label string, v Version) *messageSet {
	set := &messageSet{label: label, messages: v.Messages, codes: map[reflect.Type]uint64{}}
	for code, m := range v.Messages {
		if m.kind == typed {
			set.codes[m.typ] = uint64(code)
			set.codes[reflect.PointerTo(m.typ)] = uint64(code)
		}
	}
	set.addAsks()
	return set
}

// UnknownTypeError is the error of a Send whose value has a type that is not one of the version's
// messages.
type UnknownTypeError struct {
	Protocol string // name/version
	Type     string
}

func (e *UnknownTypeError) Error() string {
	return fmt.Sprintf("%s is not a message of %s", e.Type, e.Protocol)
}

// encoding is memory for one payload; it is reused.
type encoding struct{ b []byte }

func (e *encoding) Write(p []byte) (int, error) {
	e.b = append(e.b, p...)
	return len(p), nil
}

// maxPooledEncoding keeps the memory of rare large messages out of the pool.
const maxPooledEncoding = 64 << 10

var encodings = sync.Pool{New: func() any { return new(encoding) }}

func (e *encoding) free() {
	if cap(e.b) <= maxPooledEncoding {
		e.b = e.b[:0]
		encodings.Put(e)
	}
}

// encode returns the code of a message and its payload. The caller frees the encoding, which is
// nil if the payload was encoded already.
func (s *messageSet) encode(msg any) (code uint64, payload []byte, e *encoding, err error) {
	if m, ok := msg.(*RawMessage); ok && m != nil {
		if m.Code >= uint64(len(s.messages)) || s.messages[m.Code].kind != raw {
			return 0, nil, nil, &UnknownTypeError{Protocol: s.label, Type: fmt.Sprintf("raw message 0x%02x", m.Code)}
		}
		if err := s.messages[m.Code].fits(len(m.Payload)); err != nil {
			return 0, nil, nil, fmt.Errorf("send message 0x%02x of %s: %w", m.Code, s.label, err)
		}
		return m.Code, m.Payload, nil, nil
	}
	if m, ok := msg.(*Encoded); ok && m != nil {
		code, err := s.codeOf(m)
		return code, m.prepared.Payload(), nil, err
	}
	code, ok := s.codes[reflect.TypeOf(msg)]
	if !ok {
		return 0, nil, nil, &UnknownTypeError{Protocol: s.label, Type: fmt.Sprintf("%T", msg)}
	}
	if v := reflect.ValueOf(msg); v.Kind() == reflect.Pointer && v.IsNil() {
		// RLP would encode it as an empty list, which is not a valid message.
		return 0, nil, nil, fmt.Errorf("encode %T for %s: nil pointer", msg, s.label)
	}
	e = encodings.Get().(*encoding)
	if err := rlp.Encode(e, msg); err != nil {
		e.free()
		return 0, nil, nil, fmt.Errorf("encode %T for %s: %w", msg, s.label, err)
	}
	if err := s.messages[code].fits(len(e.b)); err != nil {
		e.free()
		return 0, nil, nil, fmt.Errorf("send %T of %s: %w", msg, s.label, err)
	}
	return code, e.b, e, nil
}

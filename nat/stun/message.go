package stun

import (
	"crypto/rand"
	"encoding/binary"

	"github.com/pion/stun/v3"
)

// HeaderSize is the size of the header, with which every message begins, in bytes (RFC 8489, section 5). A
// message without attributes has nothing else.
const HeaderSize = 20

// maxDatagram is the size of the largest datagram that is parsed, in bytes. It keeps one of 64 KiB from
// costing the time to read thousands of attributes.
const maxDatagram = 1280

// magicCookie is in every header, after type and length.
const magicCookie = 0x2112A442

// ID is a transaction ID. It binds a response to its request.
type ID [stun.TransactionIDSize]byte

// NewID draws an ID from the system's randomness, so that no third party can guess it.
func NewID() (id ID) {
	_, _ = rand.Read(id[:]) // never fails
	return id
}

// indicationType is a Binding indication. No server answers it, and NATs treat it like any other
// datagram (RFC 8489, section 2: indications keep bindings alive).
var indicationType = stun.NewType(stun.MethodBinding, stun.ClassIndication)

// HasHeader reports whether b begins like a STUN message: with two zero bits and, after type and length,
// the magic cookie. A random message of another protocol does so once in 2^34.
func HasHeader(b []byte) bool {
	return len(b) >= HeaderSize && b[0]&0xc0 == 0 && binary.BigEndian.Uint32(b[4:]) == magicCookie
}

// Indication returns a Binding indication without attributes. It is HeaderSize bytes long.
func Indication(id ID) []byte { return newMessage(indicationType, id).Raw }

// ParseIndication returns the ID of a Binding indication. ok is false if b is anything else, or has
// attributes.
func ParseIndication(b []byte) (id ID, ok bool) {
	if len(b) != HeaderSize {
		return id, false
	}
	m, err := parse(b, indicationType)
	if err != nil {
		return id, false
	}
	return m.TransactionID, true
}

// newMessage returns a message without attributes.
func newMessage(kind stun.MessageType, id ID) *stun.Message {
	m := stun.New()
	m.Type, m.TransactionID = kind, id
	m.WriteHeader()
	return m
}

// parse reads a message of one type that fills b. It checks the first two bits, which the library does
// not: they tell STUN from other protocols on the same port.
func parse(b []byte, kind stun.MessageType) (*stun.Message, error) {
	if len(b) > maxDatagram || !HasHeader(b) {
		return nil, errNotSTUN
	}
	m := &stun.Message{Raw: b}
	if err := m.Decode(); err != nil {
		return nil, err
	}
	switch {
	case len(b) != HeaderSize+int(m.Length):
		return nil, errLength
	case m.Type != kind:
		return nil, errType
	}
	return m, nil
}

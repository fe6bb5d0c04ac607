package protocols

import (
	"bytes"
	"fmt"
)

// Decode turns the payload of one message into what an actor of this version would receive: a *T
// of a [Type], within its limits, or a copy as a *RawMessage for [Raw]. An [Ignore] message,
// which an actor would not receive, is also returned as a *RawMessage. It is for observers, such
// as recorders. Errors: RLP's, a *[LimitError], or that the version has no such message.
func (v Version) Decode(code uint64, payload []byte) (any, error) {
	if code >= uint64(len(v.Messages)) {
		return nil, fmt.Errorf("message 0x%02x is not defined in version %d", code, v.Number)
	}
	m := &v.Messages[code]
	if err := m.fits(len(payload)); err != nil {
		return nil, err
	}
	if m.kind != typed {
		return &RawMessage{Code: code, Payload: bytes.Clone(payload)}, nil
	}
	return m.open(payload)
}

package gethcompat

import (
	"bytes"
	"fmt"
	"io"

	"github.com/ethereum/go-ethereum/p2p"

	"github.com/troupe-p2p/troupe/protocols"
)

// messages adapts a link to p2p.MsgReadWriter for go-ethereum's protocols.
type messages struct {
	rw     *protocols.ReadWriter
	length uint64
}

// ReadMsg waits for the next message. After the link's end the error is io.EOF, as in
// go-ethereum.
func (m messages) ReadMsg() (p2p.Msg, error) {
	msg, err := m.rw.Read()
	if err != nil {
		return p2p.Msg{}, io.EOF // the cause is recorded in the link
	}
	raw, ok := msg.(*protocols.RawMessage)
	if !ok {
		return p2p.Msg{}, fmt.Errorf("read message: got a %T, want a RawMessage", msg)
	}
	return p2p.Msg{
		Code: raw.Code, Size: uint32(len(raw.Payload)), Payload: bytes.NewReader(raw.Payload), ReceivedAt: raw.ReceivedAt,
	}, nil
}

// WriteMsg queues a message. It blocks while the queue is full. After the link's end the
// error is p2p.ErrShuttingDown.
func (m messages) WriteMsg(msg p2p.Msg) error {
	if msg.Code >= m.length {
		return fmt.Errorf("message code 0x%02x, but %s has %d codes", msg.Code, m.rw.Link().Name(), m.length)
	}
	payload := make([]byte, msg.Size)
	if _, err := io.ReadFull(msg.Payload, payload); err != nil {
		return fmt.Errorf("message 0x%02x of %s: read a payload of %d bytes: %w", msg.Code, m.rw.Link().Name(), msg.Size, err)
	}
	err := m.rw.Write(&protocols.RawMessage{Code: msg.Code, Payload: payload})
	if err == protocols.ErrLinkDown {
		return p2p.ErrShuttingDown
	}
	return err
}

package gethcompat

import (
	"bytes"
	"fmt"
	"io"

	"github.com/ethereum/go-ethereum/p2p"

	"github.com/troupe-p2p/troupe/protocols"
)

// messages is a link as go-ethereum's protocols see it. It implements
// p2p.MsgReadWriter.
type messages struct {
	rw     *protocols.ReadWriter
	length uint64
}

// ReadMsg waits for the next message. At the link's end it is io.EOF, as in
// go-ethereum.
func (m messages) ReadMsg() (p2p.Msg, error) {
	msg, err := m.rw.Read()
	if err != nil {
		return p2p.Msg{}, io.EOF // the link knows why it has ended
	}
	raw, ok := msg.(*protocols.RawMessage)
	if !ok {
		return p2p.Msg{}, fmt.Errorf("%T came for a protocol that has raw messages alone", msg)
	}
	return p2p.Msg{
		Code: raw.Code, Size: uint32(len(raw.Payload)), Payload: bytes.NewReader(raw.Payload), ReceivedAt: raw.ReceivedAt,
	}, nil
}

// WriteMsg queues a message, and waits while as much is queued as may be. At the link's
// end it is p2p.ErrShuttingDown.
func (m messages) WriteMsg(msg p2p.Msg) error {
	if msg.Code >= m.length {
		return fmt.Errorf("message code 0x%02x, but %s has %d", msg.Code, m.rw.Link().Name(), m.length)
	}
	payload := make([]byte, msg.Size)
	if _, err := io.ReadFull(msg.Payload, payload); err != nil {
		return fmt.Errorf("message 0x%02x of %s: %d bytes were announced: %w", msg.Code, m.rw.Link().Name(), msg.Size, err)
	}
	err := m.rw.Write(&protocols.RawMessage{Code: msg.Code, Payload: payload})
	if err == protocols.ErrLinkDown {
		return p2p.ErrShuttingDown
	}
	return err
}

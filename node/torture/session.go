package torture

import (
	"crypto/ecdsa"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/rlp"

	"github.com/troupe-p2p/troupe/wire"
)

// firstCode is the first message code of a link's only protocol.
const firstCode = wire.BaseLength

// emptyList is the payload of ping and pong.
var emptyList = []byte{0xC0}

// session is a connection to the node with the session that runs over it. One goroutine writes,
// and one reads.
type session struct {
	net.Conn
	*wire.Session
	frame []byte
}

// newSession does both handshakes on a connection.
func newSession(conn net.Conn, key *ecdsa.PrivateKey, to *ecdsa.PublicKey, caps ...wire.Cap) (*session, error) {
	s, err := wire.Dial(conn, key, to, helloOf(key, caps...), wire.Options{AuthTimeout: askTimeout, HelloTimeout: askTimeout})
	if err != nil {
		return nil, err
	}
	return &session{Conn: conn, Session: s}, nil
}

func helloOf(key *ecdsa.PrivateKey, caps ...wire.Cap) *wire.Hello {
	return &wire.Hello{Version: wire.BaseVersion, Name: "Troupe-torture", Caps: caps, ID: wire.PublicID(&key.PublicKey)}
}

// encrypt does the encryption handshake, and sends no Hello.
func encrypt(conn net.Conn, key *ecdsa.PrivateKey, to *ecdsa.PublicKey) (*session, error) {
	if err := conn.SetDeadline(time.Now().Add(askTimeout)); err != nil {
		return nil, err
	}
	auth, err := wire.NewAuth(key, to, nil)
	if err != nil {
		return nil, err
	}
	if _, err := conn.Write(auth.Packet()); err != nil {
		return nil, err
	}
	ack, rest, err := wire.ReadPacket(conn)
	if err != nil {
		return nil, err
	}
	secrets, err := auth.Finish(ack)
	if err != nil {
		return nil, err
	}
	return &session{Conn: conn, Session: wire.NewSession(secrets, rest)}, conn.SetDeadline(time.Time{})
}

// seal lays out and seals one message whose payload is on the wire as given. The result is valid
// until the next call.
func (s *session) seal(code uint64, payload []byte) ([]byte, error) {
	frame, err := wire.AppendFrame(s.frame[:0], code, payload)
	if err != nil {
		return nil, err
	}
	s.frame = frame
	return frame, s.Encoder.Seal(frame)
}

// send compresses, seals and writes the same message times times.
func (s *session) send(times int, code uint64, payload []byte) error {
	s.frame = s.frame[:0]
	var err error
	for range times {
		if s.frame, err = wire.AppendCompressed(s.frame, code, payload); err != nil {
			return err
		}
	}
	if err := s.Encoder.Seal(s.frame); err != nil {
		return err
	}
	_, err = s.Conn.Write(s.frame)
	return err
}

// disconnect sends a Disconnect.
func (s *session) disconnect(reason wire.DiscReason) error {
	bye, err := s.AppendDisconnect(nil, reason)
	if err != nil {
		return err
	}
	_, err = s.Conn.Write(bye)
	return err
}

// next reads one message. The payload is compressed, and valid until the next call.
func (s *session) next() (code uint64, payload []byte, err error) {
	for {
		frame, n, need, err := s.Decoder.Next(s.Rest)
		if err != nil {
			return 0, nil, err
		}
		if n > 0 {
			s.Rest = s.Rest[n:]
			return wire.ParseMessage(frame)
		}
		if cap(s.Rest) < need {
			s.Rest = append(make([]byte, 0, max(need, 4096)), s.Rest...)
		}
		have := len(s.Rest)
		got, err := io.ReadAtLeast(s.Conn, s.Rest[have:cap(s.Rest)], need-have)
		s.Rest = s.Rest[:have+got]
		if err != nil {
			return 0, nil, err
		}
	}
}

// await reads up to a message with this code. It answers pings, skips other messages, and returns
// an error if the node disconnects.
func (s *session) await(want uint64) (payload []byte, err error) {
	for {
		code, payload, err := s.next()
		switch {
		case err != nil:
			return nil, err
		case code == want:
			return payload, nil
		case code == wire.DiscMsg:
			reason, err := wire.ParseDisconnect(payload, s.Snappy)
			if err != nil {
				return nil, err
			}
			return nil, &wire.RemoteDisconnect{Reason: reason}
		case code == wire.PingMsg:
			if err := s.send(1, wire.PongMsg, emptyList); err != nil {
				return nil, err
			}
		}
	}
}

// probe is a message that the node answers, for honest links and for floods.
type probe struct {
	ask, answer uint64
	payload     []byte
}

// ping is the probe that every node answers.
var ping = probe{wire.PingMsg, wire.PongMsg, emptyList}

// echo returns the probe of bench/1 with a payload of some bytes, zeros.
func echo(size int) probe {
	payload, err := rlp.EncodeToBytes(&struct {
		ID      uint64
		Payload []byte
	}{1, make([]byte, size)})
	if err != nil {
		panic(fmt.Errorf("encoding an echo: %w", err)) // impossible
	}
	return probe{firstCode + 1, firstCode + 2, payload}
}

// freshKey makes the key of a new node ID.
func freshKey() *ecdsa.PrivateKey {
	key, err := crypto.GenerateKey()
	if err != nil {
		panic(fmt.Errorf("no randomness: %w", err))
	}
	return key
}

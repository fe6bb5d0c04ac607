package wire

import (
	"crypto/ecdsa"
	"errors"
	"fmt"
	"io"
)

// Errors of the Hello exchange, besides those of ParseHello.
var (
	ErrNoHello            = errors.New("wire: first message is not a hello")
	ErrUnexpectedIdentity = errors.New("wire: identity in hello differs from the handshake's")
)

// helloBuffer is the most that ReadHello reads, in bytes. The frame of the largest Hello fits.
const helloBuffer = 4096

// Session is a connection after the encryption handshake. Encoder and Decoder may have different owners. The other
// fields don't change after the Hello exchange.
type Session struct {
	Remote      *ecdsa.PublicKey
	RemoteHello *Hello // nil until read
	Snappy      bool   // payloads are compressed in both directions, from the first message after the Hello
	Encoder     *Encoder
	Decoder     *Decoder
	Rest        []byte // ciphertext that was read after the last message and is not yet decrypted

	// Versions of the base protocol. version is 0 until our Hello is sent; remoteVersion is assumed to be BaseVersion
	// until the remote's Hello is read.
	version, remoteVersion uint64
}

// NewSession makes the session of a finished handshake. rest holds the bytes read after the last handshake packet; the
// session owns it from then on.
func NewSession(s *Secrets, rest []byte) *Session {
	c := newCodec(s)
	return &Session{
		Remote: s.Remote, Rest: rest, remoteVersion: BaseVersion,
		Encoder: &c.enc, Decoder: &c.dec,
	}
}

// AppendHello appends our Hello to dst, sealed and never compressed. The error is ErrHelloTooLarge.
func (s *Session) AppendHello(dst []byte, h *Hello) ([]byte, error) {
	payload, err := h.Append(make([]byte, 0, 512))
	if err != nil {
		return dst, err
	}
	s.version = h.Version
	s.Snappy = s.RemoteHello != nil && s.bothCompress()
	return s.appendSealed(dst, HelloMsg, payload, false)
}

// AppendDisconnect appends a sealed Disconnect to dst. It is uncompressed in place of our Hello and compressed after it.
func (s *Session) AppendDisconnect(dst []byte, r DiscReason) ([]byte, error) {
	return s.appendSealed(dst, DiscMsg, AppendDisconnect(nil, r), s.bothCompress())
}

func (s *Session) appendSealed(dst []byte, code uint64, payload []byte, compress bool) ([]byte, error) {
	layOut := AppendFrame
	if compress {
		layOut = AppendCompressed
	}
	out, err := layOut(dst, code, payload)
	if err != nil {
		return dst, err
	}
	return out, s.Encoder.Seal(out[len(dst):])
}

// bothCompress reports whether the remote, having read our Hello, expects compressed messages (EIP-706).
func (s *Session) bothCompress() bool {
	return min(s.version, s.remoteVersion) >= SnappyVersion
}

// ReadHello reads the remote's first message, verifies that it is a Hello of the node that made the handshake, and stores
// it in RemoteHello. It reads at most 4 KiB from r; bytes after the Hello stay in Rest.
//
// Errors: *RemoteDisconnect, ErrNoHello, ErrHelloTooLarge, ErrBadHello, ErrInvalidIdentity, ErrUnexpectedIdentity, the
// Decoder's errors, and r's errors: io.EOF if the remote closed before its Hello, io.ErrUnexpectedEOF if it closed in
// the middle of it.
func (s *Session) ReadHello(r io.Reader) (*Hello, error) {
	frame, err := s.readFrame(r)
	if err != nil {
		return nil, err
	}
	code, payload, err := ParseMessage(frame)
	switch {
	case err != nil:
		return nil, err
	case code == DiscMsg:
		reason, err := ParseDisconnect(payload, false)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", &RemoteDisconnect{reason}, err)
		}
		return nil, &RemoteDisconnect{reason}
	case code != HelloMsg:
		return nil, breachf("%w: code %#02x", ErrNoHello, code)
	}
	h, err := ParseHello(payload)
	if err != nil {
		return nil, err
	}
	s.remoteVersion = h.Version
	if id := [pointLen]byte(appendPoint(nil, s.Remote)); h.ID != id {
		return nil, &breach{DiscUnexpectedIdentity, fmt.Errorf("%w: %x, want %x", ErrUnexpectedIdentity, h.ID[:8], id[:8])}
	}
	s.RemoteHello = h
	s.Snappy = s.bothCompress()
	return h, nil
}

// readFrame reads one frame. It fails if the frame is larger than a Hello may be.
func (s *Session) readFrame(r io.Reader) ([]byte, error) {
	buf := s.Rest
	for {
		frame, n, need, err := s.Decoder.Next(buf)
		switch {
		case err != nil:
			// The ack was encrypted for the owner of the node key in the auth. A remote that only replays an auth can't
			// read the ack and seals nothing with these keys.
			return nil, fmt.Errorf("wire: first message is not sealed with the keys of this handshake, perhaps after a replayed auth: %w", err)
		case n > FrameRoom(1+MaxHello), need > FrameRoom(1+MaxHello):
			return nil, breachf("%w: frame of %d bytes", ErrHelloTooLarge, max(n, need))
		case n > 0:
			if s.Rest = buf[n:]; len(s.Rest) == 0 {
				s.Rest = nil // frees the buffer
			}
			return frame, nil
		}
		if need > cap(buf) {
			buf = append(make([]byte, 0, helloBuffer), buf...)
		}
		got, err := io.ReadAtLeast(r, buf[len(buf):cap(buf)], need-len(buf))
		buf = buf[:len(buf)+got]
		s.Rest = buf
		if err != nil {
			if errors.Is(err, io.EOF) && len(buf) > 0 {
				err = io.ErrUnexpectedEOF
			}
			return nil, fmt.Errorf("wire: waiting for the remote's hello, %d of %d bytes read: %w", len(buf), need, err)
		}
	}
}

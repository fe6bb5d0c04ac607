package wire

import (
	"crypto/ecdsa"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/rlp"
)

// Errors of the encryption handshake. Returned errors wrap one of them together with the detailed cause.
var (
	ErrBadAuth = errors.New("wire: bad auth")
	ErrBadAck  = errors.New("wire: bad ack")
)

const (
	handshakeVersion = 4 // auth-vsn and ack-vsn; receivers ignore them (EIP-8)
	// EIP-8 requires padding of varied length, here 100 to 300 bytes. The padding is encrypted, so it may be zeros.
	minPadding   = 100
	paddingRange = 201 // number of lengths in 100..300
)

// ephemeral is each side's contribution to the secrets of one connection.
type ephemeral struct {
	key   *ecdsa.PrivateKey
	nonce [32]byte
}

func newEphemeral(rand io.Reader) (e ephemeral, err error) {
	if e.key, err = generateKey(rand); err != nil {
		return e, err
	}
	if _, err = io.ReadFull(rand, e.nonce[:]); err != nil {
		return e, fmt.Errorf("wire: reading randomness for a nonce: %w", err)
	}
	return e, nil
}

// pad appends the padding of a handshake packet's body.
func pad(rand io.Reader, body []byte) ([]byte, error) {
	var b [2]byte
	if _, err := io.ReadFull(rand, b[:]); err != nil {
		return nil, fmt.Errorf("wire: reading randomness for padding: %w", err)
	}
	n := minPadding + int(binary.BigEndian.Uint16(b[:]))%paddingRange
	return append(body, make([]byte, n)...), nil
}

func orSystem(random io.Reader) io.Reader {
	if random == nil {
		return rand.Reader
	}
	return random
}

// Initiator is the dialing side of an encryption handshake, after its auth and before the remote's ack.
type Initiator struct {
	key    *ecdsa.PrivateKey
	remote *ecdsa.PublicKey
	eph    ephemeral
	packet []byte
}

// NewAuth prepares the handshake of the node with the private key key with the node that owns the public key remote,
// which must be valid. Randomness comes from rand, or from the system if rand is nil.
func NewAuth(key *ecdsa.PrivateKey, remote *ecdsa.PublicKey, rand io.Reader) (*Initiator, error) {
	rand = orSystem(rand)
	eph, err := newEphemeral(rand)
	if err != nil {
		return nil, err
	}
	token, err := agree(key, remote)
	if err != nil {
		return nil, fmt.Errorf("wire: the remote's key: %w", err)
	}
	xor32(&token, &eph.nonce)
	sig, err := crypto.Sign(token[:], eph.key)
	if err != nil {
		return nil, fmt.Errorf("wire: signing auth: %w", err)
	}
	// [sig, initiator-pubk, initiator-nonce, auth-vsn]
	body := make([]byte, 0, 512)
	body = append(body, 0xf8, 167)
	body = append(append(body, 0xb8, 65), sig...)
	body = appendPoint(append(body, 0xb8, pointLen), &key.PublicKey)
	body = append(append(body, 0xa0), eph.nonce[:]...)
	body = append(body, handshakeVersion)
	if body, err = pad(rand, body); err != nil {
		return nil, err
	}
	packet, err := sealPacket(rand, remote, body)
	if err != nil {
		return nil, err
	}
	return &Initiator{key: key, remote: remote, eph: eph, packet: packet}, nil
}

// Packet returns the auth to write, size prefix included. The caller must not change it.
func (i *Initiator) Packet() []byte { return i.packet }

// Finish derives the secrets from the remote's ack: the whole packet, as ReadPacket returns it. The error is ErrBadAck.
func (i *Initiator) Finish(ack []byte) (*Secrets, error) {
	body, err := openPacket(i.key, ack)
	if err != nil {
		return nil, breachf("%w: %w", ErrBadAck, err)
	}
	// [recipient-ephemeral-pubk, recipient-nonce, ack-vsn, ...]
	fields, err := splitFields(body, pointLen, 32)
	if err != nil {
		return nil, breachf("%w: %w", ErrBadAck, err)
	}
	ephPub, err := parsePoint(fields[0])
	if err != nil {
		return nil, breachf("%w: ephemeral key: %w", ErrBadAck, err)
	}
	s, toRecipient, toInitiator, err := derive(&i.eph, ephPub, derivation{
		initNonce: i.eph.nonce, respNonce: [32]byte(fields[1]), auth: i.packet, ack: ack,
	})
	if err != nil {
		return nil, breachf("%w: %w", ErrBadAck, err)
	}
	s.Remote, s.egress, s.ingress = i.remote, toRecipient, toInitiator
	return s, nil
}

// Recipient is the listening side of an encryption handshake, after the auth was verified and before the ack is sent.
// The caller now decides whether to accept the remote.
type Recipient struct {
	remote    *ecdsa.PublicKey
	remoteEph *ecdsa.PublicKey
	initNonce [32]byte
	auth      []byte
	eph       *ephemeral // Accept makes it unless a test has set it
	rest      []byte     // bytes read after the auth
	opts      Options
}

// OpenAuth verifies an auth sent to the node with the private key key. packet is the whole packet, as ReadPacket returns
// it; the caller must not change it before Accept. The error is ErrBadAuth.
func OpenAuth(key *ecdsa.PrivateKey, packet []byte) (*Recipient, error) {
	body, err := openPacket(key, packet)
	if err != nil {
		return nil, breachf("%w: %w", ErrBadAuth, err)
	}
	// [sig, initiator-pubk, initiator-nonce, auth-vsn, ...]
	fields, err := splitFields(body, crypto.SignatureLength, pointLen, 32)
	if err != nil {
		return nil, breachf("%w: %w", ErrBadAuth, err)
	}
	r := &Recipient{auth: packet, initNonce: [32]byte(fields[2])}
	if r.remote, err = parsePoint(fields[1]); err != nil {
		return nil, breachf("%w: initiator's key: %w", ErrBadAuth, err)
	}
	// The signature proves both keys: only the initiator and we know the token, and its signer holds the recovered
	// ephemeral key.
	token, err := agree(key, r.remote)
	if err != nil {
		return nil, breachf("%w: initiator's key: %w", ErrBadAuth, err)
	}
	xor32(&token, &r.initNonce)
	signer, err := crypto.Ecrecover(token[:], fields[0])
	if err != nil {
		return nil, breachf("%w: signature: %w", ErrBadAuth, err)
	}
	if r.remoteEph, err = parsePoint(signer[1:]); err != nil {
		return nil, breachf("%w: signature: %w", ErrBadAuth, err)
	}
	return r, nil
}

// Remote returns the initiator's node key, which its auth has proven.
func (r *Recipient) Remote() *ecdsa.PublicKey { return r.remote }

// Accept makes the ack, which the caller writes, and derives the secrets of the connection. Randomness comes from rand,
// or from the system if rand is nil.
func (r *Recipient) Accept(rand io.Reader) (ack []byte, s *Secrets, err error) {
	rand = orSystem(rand)
	eph := r.eph
	if eph == nil {
		fresh, err := newEphemeral(rand)
		if err != nil {
			return nil, nil, err
		}
		eph = &fresh
	}
	// [recipient-ephemeral-pubk, recipient-nonce, ack-vsn]
	body := make([]byte, 0, 512)
	body = append(body, 0xf8, 100)
	body = appendPoint(append(body, 0xb8, pointLen), &eph.key.PublicKey)
	body = append(append(body, 0xa0), eph.nonce[:]...)
	body = append(body, handshakeVersion)
	if body, err = pad(rand, body); err != nil {
		return nil, nil, err
	}
	if ack, err = sealPacket(rand, r.remote, body); err != nil {
		return nil, nil, err
	}
	if s, err = r.secrets(eph, ack); err != nil {
		return nil, nil, err
	}
	return ack, s, nil
}

func (r *Recipient) secrets(eph *ephemeral, ack []byte) (*Secrets, error) {
	s, toRecipient, toInitiator, err := derive(eph, r.remoteEph, derivation{
		initNonce: r.initNonce, respNonce: eph.nonce, auth: r.auth, ack: ack,
	})
	if err != nil {
		return nil, breachf("%w: %w", ErrBadAuth, err)
	}
	s.Remote, s.egress, s.ingress = r.remote, toInitiator, toRecipient
	return s, nil
}

// splitFields returns the first strings of an RLP list, which must have the given lengths. It ignores the rest of the
// list and the bytes after it: a version number, elements of later versions, padding (EIP-8).
func splitFields(body []byte, lengths ...int) ([][]byte, error) {
	list, _, err := rlp.SplitList(body)
	if err != nil {
		return nil, err
	}
	fields := make([][]byte, len(lengths))
	for i, want := range lengths {
		if fields[i], list, err = rlp.SplitString(list); err != nil {
			return nil, fmt.Errorf("element %d: %w", i, err)
		}
		if len(fields[i]) != want {
			return nil, fmt.Errorf("element %d: %d bytes, want %d", i, len(fields[i]), want)
		}
	}
	return fields, nil
}

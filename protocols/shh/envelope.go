package shh

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"math/bits"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/rlp"
)

// TopicLength is the length of a topic in bytes.
const TopicLength = 4

// headerSize is the share of an envelope's numbers and topic in its size: four bytes each
// for expiry, TTL and topic, eight for the nonce.
const headerSize = 20

// Topic is the public subject of an envelope: 32 bits that the sender chooses.
type Topic [TopicLength]byte

// TopicOf parses a topic: hex of exactly four bytes, with or without 0x.
func TopicOf(s string) (t Topic, err error) {
	if err := t.UnmarshalText([]byte(s)); err != nil {
		return Topic{}, err
	}
	return t, nil
}

func (t Topic) String() string { return "0x" + hex.EncodeToString(t[:]) }

// MarshalText returns the topic as hex with the prefix 0x.
func (t Topic) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// UnmarshalText parses hex of four bytes, with or without 0x.
func (t *Topic) UnmarshalText(text []byte) error {
	b, err := hex.DecodeString(string(trimHex(text)))
	if err != nil {
		return fmt.Errorf("topic %q: %w", text, err)
	}
	if len(b) != TopicLength {
		return fmt.Errorf("topic %q: %d bytes, want %d", text, len(b), TopicLength)
	}
	copy(t[:], b)
	return nil
}

func trimHex(s []byte) []byte {
	if len(s) >= 2 && s[0] == '0' && (s[1] == 'x' || s[1] == 'X') {
		return s[2:]
	}
	return s
}

// Envelope is the unit that the network forwards: an encrypted message with its lifetime
// and proof of work (EIP-627, "Whisper Envelope").
type Envelope struct {
	Expiry uint32 // in seconds of Unix time
	TTL    uint32 // lifetime in seconds; the envelope was sent at Expiry - TTL
	Topic  Topic
	Data   []byte // ciphertext
	Nonce  uint64 // chosen so that the envelope has its PoW
}

// ErrEnvelope is the error of bytes that are not a valid envelope.
var ErrEnvelope = errors.New("invalid envelope")

// ParseEnvelope decodes an envelope. Data aliases raw.
func ParseEnvelope(raw []byte) (*Envelope, error) {
	fields, rest, err := rlp.SplitList(raw)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrEnvelope, err)
	}
	if len(rest) > 0 {
		return nil, fmt.Errorf("%w: %d bytes after it", ErrEnvelope, len(rest))
	}
	e := new(Envelope)
	if e.Expiry, fields, err = splitUint32(fields); err != nil {
		return nil, fmt.Errorf("%w: expiry: %w", ErrEnvelope, err)
	}
	if e.TTL, fields, err = splitUint32(fields); err != nil {
		return nil, fmt.Errorf("%w: TTL: %w", ErrEnvelope, err)
	}
	var topic []byte
	if topic, fields, err = rlp.SplitString(fields); err != nil {
		return nil, fmt.Errorf("%w: topic: %w", ErrEnvelope, err)
	}
	if len(topic) != TopicLength {
		return nil, fmt.Errorf("%w: topic of %d bytes, want %d", ErrEnvelope, len(topic), TopicLength)
	}
	copy(e.Topic[:], topic)
	if e.Data, fields, err = rlp.SplitString(fields); err != nil {
		return nil, fmt.Errorf("%w: data: %w", ErrEnvelope, err)
	}
	if e.Nonce, fields, err = rlp.SplitUint64(fields); err != nil {
		return nil, fmt.Errorf("%w: nonce: %w", ErrEnvelope, err)
	}
	if len(fields) > 0 {
		return nil, fmt.Errorf("%w: more than five fields", ErrEnvelope)
	}
	return e, nil
}

func splitUint32(b []byte) (uint32, []byte, error) {
	n, rest, err := rlp.SplitUint64(b)
	if err == nil && n > math.MaxUint32 {
		err = fmt.Errorf("%d is more than 32 bits", n)
	}
	return uint32(n), rest, err
}

// Encode returns the envelope's RLP.
func (e *Envelope) Encode() []byte { return mustEncode(e) }

// mustEncode encodes values of types for which RLP encoding can't fail.
func mustEncode(v any) []byte {
	b, err := rlp.EncodeToBytes(v)
	if err != nil {
		panic(err)
	}
	return b
}

// Hash returns the Keccak-256 hash of the envelope's RLP, which identifies the envelope.
func (e *Envelope) Hash() common.Hash { return crypto.Keccak256Hash(e.Encode()) }

// Size returns the size in bytes that counts for limits: the data, and 20 for the rest.
func (e *Envelope) Size() int { return headerSize + len(e.Data) }

// withoutNonce returns the RLP of all fields except the nonce. The PoW is computed on it.
func (e *Envelope) withoutNonce() []byte {
	return mustEncode([]any{e.Expiry, e.TTL, e.Topic, e.Data})
}

// PoW returns the envelope's work per byte and second of its TTL: the average number of
// hashes needed to find a nonce as good as this one, divided by size and TTL.
//
// The EIP defines size as that of the whole RLP. All known implementations use the size
// without the nonce, and would end the link over an envelope that satisfies only one of the
// two definitions. So PoW follows the implementations. [Envelope.Seal] satisfies both.
func (e *Envelope) PoW() float64 { return e.proof().pow(e.TTL) }

// proof is the work in an envelope, independent of its TTL.
type proof struct {
	bits int // leading zeros of the hash
	size int // of the hashed bytes without the nonce
}

func (e *Envelope) proof() proof {
	short := e.withoutNonce()
	hash := crypto.Keccak256(short, binary.BigEndian.AppendUint64(nil, e.Nonce))
	return proof{leadingZeros(hash), len(short)}
}

// hashes returns the average number of hashes needed to find such a nonce.
func (p proof) hashes() float64 { return math.Ldexp(1, p.bits) }

// pow returns the PoW of an envelope with this lifetime. With a lifetime of 0 it is infinite.
func (p proof) pow(seconds uint32) float64 { return p.hashes() / float64(p.size) / float64(seconds) }

// leadingZeros returns the number of zero bits before the first bit that is set.
func leadingZeros(hash []byte) int {
	n := 0
	for ; len(hash) >= 8; hash = hash[8:] {
		if word := binary.BigEndian.Uint64(hash); word != 0 {
			return n + bits.LeadingZeros64(word)
		}
		n += 64
	}
	return n
}

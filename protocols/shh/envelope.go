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

// TopicLength is how many bytes a topic has.
const TopicLength = 4

// headerSize is what an envelope's numbers and topic count for its size: four bytes each
// for expiry, TTL and topic, eight for the nonce.
const headerSize = 20

// Topic is what an envelope is about, for whoever passes it on. It says little: 32 bits
// that the sender chooses.
type Topic [TopicLength]byte

// TopicOf gives the topic that a hex string stands for, of exactly four bytes, with or
// without 0x.
func TopicOf(s string) (t Topic, err error) {
	if err := t.UnmarshalText([]byte(s)); err != nil {
		return Topic{}, err
	}
	return t, nil
}

func (t Topic) String() string { return "0x" + hex.EncodeToString(t[:]) }

// MarshalText gives the topic as hex with 0x.
func (t Topic) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// UnmarshalText takes hex of four bytes, with or without 0x.
func (t *Topic) UnmarshalText(text []byte) error {
	b, err := hex.DecodeString(string(trimHex(text)))
	if err != nil {
		return fmt.Errorf("topic %q: %w", text, err)
	}
	if len(b) != TopicLength {
		return fmt.Errorf("topic %q: has %d bytes, want %d", text, len(b), TopicLength)
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

// Envelope is what travels: an encrypted message, for how long it is to live, and the
// work that was spent on it (EIP-627, "Whisper Envelope").
type Envelope struct {
	Expiry uint32 // when it ends, in seconds of Unix time
	TTL    uint32 // how long it lives, in seconds; Expiry - TTL is when it was sent
	Topic  Topic
	Data   []byte // what is encrypted
	Nonce  uint64 // chosen such that the envelope has its PoW
}

// ErrEnvelope marks bytes that are no envelope.
var ErrEnvelope = errors.New("no envelope")

// ParseEnvelope decodes an envelope. Data is a part of raw, not a copy.
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

// Encode gives the envelope's RLP.
func (e *Envelope) Encode() []byte { return mustEncode(e) }

// mustEncode is for types that RLP can't fail on.
func mustEncode(v any) []byte {
	b, err := rlp.EncodeToBytes(v)
	if err != nil {
		panic(err)
	}
	return b
}

// Hash names the envelope: Keccak-256 of its RLP.
func (e *Envelope) Hash() common.Hash { return crypto.Keccak256Hash(e.Encode()) }

// Size is what counts for limits, in bytes: the data, and 20 for the rest.
func (e *Envelope) Size() int { return headerSize + len(e.Data) }

// withoutNonce is the RLP of all fields but the nonce, which the work is done on.
func (e *Envelope) withoutNonce() []byte {
	return mustEncode([]any{e.Expiry, e.TTL, e.Topic, e.Data})
}

// PoW is the work that is in the envelope, per byte and second of its life: the average
// number of hashes that it takes to find a nonce as good as this one, divided by size
// and TTL.
//
// The EIP means the size of the whole RLP. All nodes that ever ran divide by the size
// without the nonce, and would part over an envelope that lies between the two: so it is
// theirs. [Envelope.Seal] satisfies both.
func (e *Envelope) PoW() float64 { return e.proof().pow(e.TTL) }

// proof is the work in an envelope, before it is set against how long the envelope lives.
type proof struct {
	bits int // leading zeroes of the hash
	size int // of what was hashed but for the nonce
}

func (e *Envelope) proof() proof {
	short := e.withoutNonce()
	hash := crypto.Keccak256(short, binary.BigEndian.AppendUint64(nil, e.Nonce))
	return proof{leadingZeros(hash), len(short)}
}

// hashes is how many it takes on average to find such a nonce.
func (p proof) hashes() float64 { return math.Ldexp(1, p.bits) }

// pow is the PoW of an envelope that lives so many seconds. Without any, it is infinite.
func (p proof) pow(seconds uint32) float64 { return p.hashes() / float64(p.size) / float64(seconds) }

// leadingZeros counts the bits before the first one that is set.
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

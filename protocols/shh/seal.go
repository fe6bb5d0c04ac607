package shh

import (
	"context"
	"encoding"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"math"

	"golang.org/x/crypto/sha3"
)

// ErrPoWNotReached is the error of work that ended before it reached the PoW.
var ErrPoWNotReached = errors.New("PoW not reached")

const hashBits = 256

// noncesPerCheck is the number of hashes between two checks of the context.
const noncesPerCheck = 1024

// Seal searches for a nonce that gives the envelope at least the PoW pow. If ctx ends
// first, the envelope has the best nonce found and the error is [ErrPoWNotReached]. Seal
// blocks while it computes, so an actor must call it in a goroutine, as [Whisper.PostLater]
// does. A PoW of 0 or less needs no work.
func (e *Envelope) Seal(ctx context.Context, pow float64) error {
	if pow <= 0 {
		return nil
	}
	bits := e.bitsFor(pow)
	if bits > hashBits {
		return fmt.Errorf("%w: %v needs more bits than a hash has", ErrPoWNotReached, pow)
	}
	if got := e.work(ctx, bits); got < bits {
		return fmt.Errorf("%w: want %d bits for %v, got %d: %w", ErrPoWNotReached, bits, pow, got, context.Cause(ctx))
	}
	return nil
}

// bitsFor returns the number of leading zero bits that are enough for pow with any nonce,
// measured by the size of the whole RLP. If no hash can have so many, it returns
// hashBits+1.
func (e *Envelope) bitsFor(pow float64) int {
	const longestNonce = 9
	size := len(e.withoutNonce()) + longestNonce
	bits := math.Ceil(math.Log2(pow * float64(size) * float64(e.TTL)))
	return int(max(1, min(bits, hashBits+1)))
}

// work sets the envelope's nonce to the first one with at least bits leading zeros, or to
// the best one found when ctx ends. It returns the nonce's number of leading zeros.
func (e *Envelope) work(ctx context.Context, bits int) (best int) {
	trial := newTrial(e.withoutNonce())
	best = -1
	for nonce := uint64(0); ; {
		for range noncesPerCheck {
			if zeros := trial.zeros(nonce); zeros > best {
				e.Nonce, best = nonce, zeros
				if best >= bits {
					return best
				}
			}
			nonce++
		}
		if ctx.Err() != nil {
			return best
		}
	}
}

// trial hashes a text followed by different nonces. It absorbs the text only once.
type trial struct {
	keccak hash.Hash
	state  []byte // of keccak, after the text
	sum    []byte
	nonce  [8]byte
}

func newTrial(text []byte) *trial {
	t := &trial{keccak: sha3.NewLegacyKeccak256(), sum: make([]byte, 0, 32)}
	t.keccak.Write(text)
	state, err := t.keccak.(encoding.BinaryMarshaler).MarshalBinary()
	if err != nil {
		panic(err) // impossible: the state of an absorbing Keccak can always be saved
	}
	t.state = state
	return t
}

func (t *trial) zeros(nonce uint64) int {
	if err := t.keccak.(encoding.BinaryUnmarshaler).UnmarshalBinary(t.state); err != nil {
		panic(err) // impossible: the state comes from MarshalBinary
	}
	binary.BigEndian.PutUint64(t.nonce[:], nonce)
	t.keccak.Write(t.nonce[:])
	t.sum = t.keccak.Sum(t.sum[:0])
	return leadingZeros(t.sum)
}

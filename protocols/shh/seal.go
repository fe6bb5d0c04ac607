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

// ErrPoWNotReached: the time for the work ran out.
var ErrPoWNotReached = errors.New("PoW not reached")

const hashBits = 256

// noncesPerLook is how many hashes are made between two looks at the context.
const noncesPerLook = 1024

// Seal looks for a nonce that gives the envelope at least so much PoW, until it has one
// or ctx ends; the envelope then has the best that was found, and the error is
// [ErrPoWNotReached]. It computes without pause: an actor has it done by a goroutine, as
// [Whisper.PostLater] does. PoW of 0 or less needs no work.
func (e *Envelope) Seal(ctx context.Context, pow float64) error {
	if pow <= 0 {
		return nil
	}
	bits := e.bitsFor(pow)
	if bits > hashBits {
		return fmt.Errorf("%w: %v takes more bits than a hash has", ErrPoWNotReached, pow)
	}
	if got := e.work(ctx, bits); got < bits {
		return fmt.Errorf("%w: want %d bits for %v, got %d: %w", ErrPoWNotReached, bits, pow, got, context.Cause(ctx))
	}
	return nil
}

// bitsFor is how many leading zero bits make so much PoW, by the size of the whole RLP,
// whatever the nonce. What no hash can have is one more than it has bits.
func (e *Envelope) bitsFor(pow float64) int {
	const longestNonce = 9
	size := len(e.withoutNonce()) + longestNonce
	bits := math.Ceil(math.Log2(pow * float64(size) * float64(e.TTL)))
	return int(max(1, min(bits, hashBits+1)))
}

// work leaves the first nonce with so many bits in the envelope, or the best one until ctx
// ends, and gives its bits.
func (e *Envelope) work(ctx context.Context, bits int) (best int) {
	trial := newTrial(e.withoutNonce())
	best = -1
	for nonce := uint64(0); ; {
		for range noncesPerLook {
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

// trial hashes nonces behind one text, which it takes in only once.
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
		panic(err) // a Keccak that absorbs can always be saved
	}
	t.state = state
	return t
}

func (t *trial) zeros(nonce uint64) int {
	if err := t.keccak.(encoding.BinaryUnmarshaler).UnmarshalBinary(t.state); err != nil {
		panic(err) // it is what MarshalBinary gave
	}
	binary.BigEndian.PutUint64(t.nonce[:], nonce)
	t.keccak.Write(t.nonce[:])
	t.sum = t.keccak.Sum(t.sum[:0])
	return leadingZeros(t.sum)
}

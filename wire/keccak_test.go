package wire

import (
	"math/rand/v2"
	"testing"

	"golang.org/x/crypto/sha3"
)

func TestKeccakAgainstReference(t *testing.T) {
	data := make([]byte, 600)
	rnd := rand.NewChaCha8([32]byte{1})
	_, _ = rnd.Read(data) // never fails
	for n := range len(data) + 1 {
		h := sha3.NewLegacyKeccak256()
		h.Write(data[:n])
		if got := keccak256(data[:n]); got != [32]byte(h.Sum(nil)) {
			t.Fatalf("%d bytes: %x", n, got)
		}
	}
}

// A MAC state absorbs pieces that begin and end anywhere in a block, and its hash is taken between them.
func TestKeccakInPieces(t *testing.T) {
	data := make([]byte, 2000)
	rnd := rand.New(rand.NewPCG(1, 1))
	for i := range data {
		data[i] = byte(rnd.Uint32())
	}
	for range 300 {
		var s sponge
		h := sha3.NewLegacyKeccak256()
		for rest := data; len(rest) > 0; {
			n := min(len(rest), rnd.IntN(1<<rnd.IntN(10)+1))
			s.absorb(rest[:n])
			h.Write(rest[:n])
			rest = rest[n:]
			if got := s.sum(); got != [32]byte(h.Sum(nil)) {
				t.Fatalf("after %d bytes: %x", len(data)-len(rest), got)
			}
		}
	}
}

func BenchmarkKeccakF(b *testing.B) {
	var a [25]uint64
	for b.Loop() {
		keccakF(&a)
	}
}

func BenchmarkKeccakBlock(b *testing.B) {
	block := make([]byte, rate)
	b.Run("ours", func(b *testing.B) {
		var s sponge
		for b.Loop() {
			s.absorb(block)
		}
	})
	b.Run("x-crypto", func(b *testing.B) {
		h := sha3.NewLegacyKeccak256()
		for b.Loop() {
			h.Write(block)
		}
	})
}

package wire

import (
	"math/rand/v2"
	"testing"
)

// The processor-specific permutations, single and in pairs, must agree with the portable Go code. Another test compares
// the hash with x/crypto's implementation.
func TestPermutationsAgree(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 1000 {
		var a, b [25]uint64
		for i := range a {
			a[i], b[i] = random.Uint64(), random.Uint64()
		}
		single, first, second := a, a, b
		permute(&single)
		permutePair(&first, &second)
		keccakF(&a)
		keccakF(&b)
		if single != a {
			t.Fatal("permute differs from keccakF")
		}
		if first != a || second != b {
			t.Fatal("permutePair differs from keccakF")
		}
	}
}

// sumAround must return the same sums as separate calls, wherever in the block the absorption begins and ends.
func TestSumAround(t *testing.T) {
	input := make([]byte, 600)
	for i := range input {
		input[i] = byte(i)
	}
	for start := range 140 {
		for end := start; end <= len(input); end += 7 {
			var s, plain sponge
			s.absorb(input[:start])
			before, after := s.sumAround(input[start:end])
			plain.absorb(input[:start])
			if before != plain.sum() {
				t.Fatalf("sum before [%d:%d] differs", start, end)
			}
			plain.absorb(input[start:end])
			if after != plain.sum() || s != plain {
				t.Fatalf("sum after [%d:%d] differs", start, end)
			}
		}
	}
}

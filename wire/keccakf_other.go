//go:build !amd64

package wire

func permute(a *[25]uint64) { keccakF(a) }

func permutePair(a, b *[25]uint64) {
	keccakF(a)
	keccakF(b)
}

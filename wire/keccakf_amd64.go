package wire

import "golang.org/x/sys/cpu"

//go:generate go run keccakf_gen.go

// avx512 is true if the processor has 32 vector registers, with 64-bit rotation
// and three-input logic at a width of 128 bits.
var avx512 = cpu.X86.HasAVX512F && cpu.X86.HasAVX512VL && cpu.X86.HasAVX512DQ

//go:noescape
func keccakFAVX512(a *[25]uint64)

//go:noescape
func keccakFPairAVX512(a, b *[25]uint64)

func permute(a *[25]uint64) {
	if avx512 {
		keccakFAVX512(a)
	} else {
		keccakF(a)
	}
}

// permutePair permutes two states. With AVX-512 this takes the time of one permutation.
func permutePair(a, b *[25]uint64) {
	if avx512 {
		keccakFPairAVX512(a, b)
	} else {
		keccakF(a)
		keccakF(b)
	}
}

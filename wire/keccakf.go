package wire

import "math/bits"

// roundConstants are the iota constants of Keccak-f[1600] (FIPS 202, 3.2.5).
var roundConstants = [24]uint64{
	0x0000000000000001, 0x0000000000008082, 0x800000000000808a, 0x8000000080008000,
	0x000000000000808b, 0x0000000080000001, 0x8000000080008081, 0x8000000000008009,
	0x000000000000008a, 0x0000000000000088, 0x0000000080008009, 0x000000008000000a,
	0x000000008000808b, 0x800000000000008b, 0x8000000000008089, 0x8000000000008003,
	0x8000000000008002, 0x8000000000000080, 0x000000000000800a, 0x800000008000000a,
	0x8000000080008081, 0x8000000000008080, 0x0000000080000001, 0x8000000080008008,
}

func rol(x uint64, n int) uint64 { return bits.RotateLeft64(x, n) }

// keccakF is the permutation Keccak-f[1600] on lanes a[x+5y], in portable Go. Two well-known optimizations (Keccak
// implementation overview, 2.2 and 2.5) make it faster than the direct form:
//   - With six lanes inverted during all rounds, a round needs five NOTs instead of 25.
//   - Each row of a round is written to the places from which its five inputs were read, so nothing is copied. Lane
//     (x, y) thereby moves to (x, x+2y), which is the identity after four rounds. The loop body is these four rounds.
func keccakF(a *[25]uint64) {
	invert(a)
	for i := 0; i < len(roundConstants); i += 4 {
		c0, c1, c2 := a[0]^a[5]^a[10]^a[15]^a[20], a[1]^a[6]^a[11]^a[16]^a[21], a[2]^a[7]^a[12]^a[17]^a[22]
		c3, c4 := a[3]^a[8]^a[13]^a[18]^a[23], a[4]^a[9]^a[14]^a[19]^a[24]
		d0, d1, d2, d3, d4 := c4^rol(c1, 1), c0^rol(c2, 1), c1^rol(c3, 1), c2^rol(c4, 1), c3^rol(c0, 1)
		b0, b1, b2, b3, b4 := a[0]^d0, rol(a[6]^d1, 44), rol(a[12]^d2, 43), rol(a[18]^d3, 21), rol(a[24]^d4, 14)
		n := ^b2
		a[0], a[6], a[12], a[18], a[24] = b0^(b1|b2)^roundConstants[i], b1^(n|b3), b2^(b3&b4), b3^(b4|b0), b4^(b0&b1)
		b0, b1, b2, b3, b4 = rol(a[3]^d3, 28), rol(a[9]^d4, 20), rol(a[10]^d0, 3), rol(a[16]^d1, 45), rol(a[22]^d2, 61)
		n = ^b4
		a[10], a[16], a[22], a[3], a[9] = b0^(b1|b2), b1^(b2&b3), b2^(b3|n), b3^(b4|b0), b4^(b0&b1)
		b0, b1, b2, b3, b4 = rol(a[1]^d1, 1), rol(a[7]^d2, 6), rol(a[13]^d3, 25), rol(a[19]^d4, 8), rol(a[20]^d0, 18)
		n = ^b3
		a[20], a[1], a[7], a[13], a[19] = b0^(b1|b2), b1^(b2&b3), b2^(n&b4), n^(b4|b0), b4^(b0&b1)
		b0, b1, b2, b3, b4 = rol(a[4]^d4, 27), rol(a[5]^d0, 36), rol(a[11]^d1, 10), rol(a[17]^d2, 15), rol(a[23]^d3, 56)
		n = ^b3
		a[5], a[11], a[17], a[23], a[4] = b0^(b1&b2), b1^(b2|b3), b2^(n|b4), n^(b4&b0), b4^(b0|b1)
		b0, b1, b2, b3, b4 = rol(a[2]^d2, 62), rol(a[8]^d3, 55), rol(a[14]^d4, 39), rol(a[15]^d0, 41), rol(a[21]^d1, 2)
		n = ^b1
		a[15], a[21], a[2], a[8], a[14] = b0^(n&b2), n^(b2|b3), b2^(b3&b4), b3^(b4|b0), b4^(b0&b1)

		c0, c1, c2 = a[0]^a[10]^a[20]^a[5]^a[15], a[6]^a[16]^a[1]^a[11]^a[21], a[12]^a[22]^a[7]^a[17]^a[2]
		c3, c4 = a[18]^a[3]^a[13]^a[23]^a[8], a[24]^a[9]^a[19]^a[4]^a[14]
		d0, d1, d2, d3, d4 = c4^rol(c1, 1), c0^rol(c2, 1), c1^rol(c3, 1), c2^rol(c4, 1), c3^rol(c0, 1)
		b0, b1, b2, b3, b4 = a[0]^d0, rol(a[16]^d1, 44), rol(a[7]^d2, 43), rol(a[23]^d3, 21), rol(a[14]^d4, 14)
		n = ^b2
		a[0], a[16], a[7], a[23], a[14] = b0^(b1|b2)^roundConstants[i+1], b1^(n|b3), b2^(b3&b4), b3^(b4|b0), b4^(b0&b1)
		b0, b1, b2, b3, b4 = rol(a[18]^d3, 28), rol(a[9]^d4, 20), rol(a[20]^d0, 3), rol(a[11]^d1, 45), rol(a[2]^d2, 61)
		n = ^b4
		a[20], a[11], a[2], a[18], a[9] = b0^(b1|b2), b1^(b2&b3), b2^(b3|n), b3^(b4|b0), b4^(b0&b1)
		b0, b1, b2, b3, b4 = rol(a[6]^d1, 1), rol(a[22]^d2, 6), rol(a[13]^d3, 25), rol(a[4]^d4, 8), rol(a[15]^d0, 18)
		n = ^b3
		a[15], a[6], a[22], a[13], a[4] = b0^(b1|b2), b1^(b2&b3), b2^(n&b4), n^(b4|b0), b4^(b0&b1)
		b0, b1, b2, b3, b4 = rol(a[24]^d4, 27), rol(a[10]^d0, 36), rol(a[1]^d1, 10), rol(a[17]^d2, 15), rol(a[8]^d3, 56)
		n = ^b3
		a[10], a[1], a[17], a[8], a[24] = b0^(b1&b2), b1^(b2|b3), b2^(n|b4), n^(b4&b0), b4^(b0|b1)
		b0, b1, b2, b3, b4 = rol(a[12]^d2, 62), rol(a[3]^d3, 55), rol(a[19]^d4, 39), rol(a[5]^d0, 41), rol(a[21]^d1, 2)
		n = ^b1
		a[5], a[21], a[12], a[3], a[19] = b0^(n&b2), n^(b2|b3), b2^(b3&b4), b3^(b4|b0), b4^(b0&b1)

		c0, c1, c2 = a[0]^a[20]^a[15]^a[10]^a[5], a[16]^a[11]^a[6]^a[1]^a[21], a[7]^a[2]^a[22]^a[17]^a[12]
		c3, c4 = a[23]^a[18]^a[13]^a[8]^a[3], a[14]^a[9]^a[4]^a[24]^a[19]
		d0, d1, d2, d3, d4 = c4^rol(c1, 1), c0^rol(c2, 1), c1^rol(c3, 1), c2^rol(c4, 1), c3^rol(c0, 1)
		b0, b1, b2, b3, b4 = a[0]^d0, rol(a[11]^d1, 44), rol(a[22]^d2, 43), rol(a[8]^d3, 21), rol(a[19]^d4, 14)
		n = ^b2
		a[0], a[11], a[22], a[8], a[19] = b0^(b1|b2)^roundConstants[i+2], b1^(n|b3), b2^(b3&b4), b3^(b4|b0), b4^(b0&b1)
		b0, b1, b2, b3, b4 = rol(a[23]^d3, 28), rol(a[9]^d4, 20), rol(a[15]^d0, 3), rol(a[1]^d1, 45), rol(a[12]^d2, 61)
		n = ^b4
		a[15], a[1], a[12], a[23], a[9] = b0^(b1|b2), b1^(b2&b3), b2^(b3|n), b3^(b4|b0), b4^(b0&b1)
		b0, b1, b2, b3, b4 = rol(a[16]^d1, 1), rol(a[2]^d2, 6), rol(a[13]^d3, 25), rol(a[24]^d4, 8), rol(a[5]^d0, 18)
		n = ^b3
		a[5], a[16], a[2], a[13], a[24] = b0^(b1|b2), b1^(b2&b3), b2^(n&b4), n^(b4|b0), b4^(b0&b1)
		b0, b1, b2, b3, b4 = rol(a[14]^d4, 27), rol(a[20]^d0, 36), rol(a[6]^d1, 10), rol(a[17]^d2, 15), rol(a[3]^d3, 56)
		n = ^b3
		a[20], a[6], a[17], a[3], a[14] = b0^(b1&b2), b1^(b2|b3), b2^(n|b4), n^(b4&b0), b4^(b0|b1)
		b0, b1, b2, b3, b4 = rol(a[7]^d2, 62), rol(a[18]^d3, 55), rol(a[4]^d4, 39), rol(a[10]^d0, 41), rol(a[21]^d1, 2)
		n = ^b1
		a[10], a[21], a[7], a[18], a[4] = b0^(n&b2), n^(b2|b3), b2^(b3&b4), b3^(b4|b0), b4^(b0&b1)

		c0, c1, c2 = a[0]^a[15]^a[5]^a[20]^a[10], a[11]^a[1]^a[16]^a[6]^a[21], a[22]^a[12]^a[2]^a[17]^a[7]
		c3, c4 = a[8]^a[23]^a[13]^a[3]^a[18], a[19]^a[9]^a[24]^a[14]^a[4]
		d0, d1, d2, d3, d4 = c4^rol(c1, 1), c0^rol(c2, 1), c1^rol(c3, 1), c2^rol(c4, 1), c3^rol(c0, 1)
		b0, b1, b2, b3, b4 = a[0]^d0, rol(a[1]^d1, 44), rol(a[2]^d2, 43), rol(a[3]^d3, 21), rol(a[4]^d4, 14)
		n = ^b2
		a[0], a[1], a[2], a[3], a[4] = b0^(b1|b2)^roundConstants[i+3], b1^(n|b3), b2^(b3&b4), b3^(b4|b0), b4^(b0&b1)
		b0, b1, b2, b3, b4 = rol(a[8]^d3, 28), rol(a[9]^d4, 20), rol(a[5]^d0, 3), rol(a[6]^d1, 45), rol(a[7]^d2, 61)
		n = ^b4
		a[5], a[6], a[7], a[8], a[9] = b0^(b1|b2), b1^(b2&b3), b2^(b3|n), b3^(b4|b0), b4^(b0&b1)
		b0, b1, b2, b3, b4 = rol(a[11]^d1, 1), rol(a[12]^d2, 6), rol(a[13]^d3, 25), rol(a[14]^d4, 8), rol(a[10]^d0, 18)
		n = ^b3
		a[10], a[11], a[12], a[13], a[14] = b0^(b1|b2), b1^(b2&b3), b2^(n&b4), n^(b4|b0), b4^(b0&b1)
		b0, b1, b2, b3, b4 = rol(a[19]^d4, 27), rol(a[15]^d0, 36), rol(a[16]^d1, 10), rol(a[17]^d2, 15), rol(a[18]^d3, 56)
		n = ^b3
		a[15], a[16], a[17], a[18], a[19] = b0^(b1&b2), b1^(b2|b3), b2^(n|b4), n^(b4&b0), b4^(b0|b1)
		b0, b1, b2, b3, b4 = rol(a[22]^d2, 62), rol(a[23]^d3, 55), rol(a[24]^d4, 39), rol(a[20]^d0, 41), rol(a[21]^d1, 2)
		n = ^b1
		a[20], a[21], a[22], a[23], a[24] = b0^(n&b2), n^(b2|b3), b2^(b3&b4), b3^(b4|b0), b4^(b0&b1)
	}
	invert(a)
}

// invert inverts the six lanes that stay inverted during the rounds.
func invert(a *[25]uint64) {
	a[1], a[2], a[8], a[12], a[17], a[20] = ^a[1], ^a[2], ^a[8], ^a[12], ^a[17], ^a[20]
}

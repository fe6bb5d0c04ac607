package shh

import (
	"encoding/hex"
	"fmt"
)

// BloomSize is how many bytes a bloom filter has.
const BloomSize = 64

// Bloom says which topics a node wants, without saying exactly which: each topic sets
// up to three of 512 bits (EIP-627, "Bloom Filter").
type Bloom [BloomSize]byte

// FullBloom lets everything through.
func FullBloom() (b Bloom) {
	for i := range b {
		b[i] = 0xff
	}
	return b
}

// Bloom gives the bits of a topic, for a filter that asks for it.
func (t Topic) Bloom() (b Bloom) {
	for _, n := range t.bits() {
		b[n/8] |= 1 << (n % 8)
	}
	return b
}

// asked gives the bits that a filter must have for an envelope with the topic to pass.
// They are those of [Topic.Bloom], but for topics of which several bits fall into one
// byte: go-ethereum kept only the last of them, in its filters and in its envelopes. Whoever
// asks for all of them would hold back what such a node wants, and part with one that sends
// what it takes for wanted.
func (t Topic) asked() (b Bloom) {
	for _, n := range t.bits() {
		b[n/8] = 1 << (n % 8)
	}
	return b
}

// bits are the numbers of the topic's bits.
func (t Topic) bits() (bits [3]int) {
	for i := range bits {
		bits[i] = int(t[i])
		if t[3]&(1<<i) != 0 {
			bits[i] += 256
		}
	}
	return bits
}

// Or lets through what either does.
func (b Bloom) Or(other Bloom) Bloom {
	for i := range b {
		b[i] |= other[i]
	}
	return b
}

// Matches says whether b lets through what has the bits of other.
func (b Bloom) Matches(other Bloom) bool { return b.Or(other) == b }

// Full says whether b lets everything through.
func (b Bloom) Full() bool { return b == FullBloom() }

// bloomOf takes a filter from the wire. None at all stands for a full one.
func bloomOf(raw []byte) (b Bloom, err error) {
	switch len(raw) {
	case 0:
		return FullBloom(), nil
	case BloomSize:
		return Bloom(raw), nil
	}
	return b, fmt.Errorf("bloom filter of %d bytes, want %d", len(raw), BloomSize)
}

// MarshalText gives the filter as hex with 0x.
func (b Bloom) MarshalText() ([]byte, error) { return []byte("0x" + hex.EncodeToString(b[:])), nil }

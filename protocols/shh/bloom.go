package shh

import (
	"encoding/hex"
	"fmt"
)

// BloomSize is the size of a bloom filter in bytes.
const BloomSize = 64

// Bloom is a bloom filter of the topics that a node wants. It doesn't reveal them exactly:
// each topic sets up to three of 512 bits (EIP-627, "Bloom Filter").
type Bloom [BloomSize]byte

// FullBloom returns the filter that matches every topic.
func FullBloom() (b Bloom) {
	for i := range b {
		b[i] = 0xff
	}
	return b
}

// Bloom returns the bits of a topic, for a filter that must match it.
func (t Topic) Bloom() (b Bloom) {
	for _, n := range t.bits() {
		b[n/8] |= 1 << (n % 8)
	}
	return b
}

// asked returns the bits that a filter must have to match an envelope with the topic. They
// are those of [Topic.Bloom], except if several bits of the topic fall into one byte:
// go-ethereum kept only the last of them, both in its filters and for its envelopes. A
// node that required all of them would withhold envelopes that a go-ethereum node wants,
// and would end the link with one that sends envelopes it considers a match.
func (t Topic) asked() (b Bloom) {
	for _, n := range t.bits() {
		b[n/8] = 1 << (n % 8)
	}
	return b
}

// bits returns the numbers of the topic's bits.
func (t Topic) bits() (bits [3]int) {
	for i := range bits {
		bits[i] = int(t[i])
		if t[3]&(1<<i) != 0 {
			bits[i] += 256
		}
	}
	return bits
}

// Or returns a filter that matches what either filter matches.
func (b Bloom) Or(other Bloom) Bloom {
	for i := range b {
		b[i] |= other[i]
	}
	return b
}

// Matches reports whether b has all bits of other.
func (b Bloom) Matches(other Bloom) bool { return b.Or(other) == b }

// Full reports whether b matches every topic.
func (b Bloom) Full() bool { return b == FullBloom() }

// bloomOf parses a filter from the wire. Empty bytes mean a full filter.
func bloomOf(raw []byte) (b Bloom, err error) {
	switch len(raw) {
	case 0:
		return FullBloom(), nil
	case BloomSize:
		return Bloom(raw), nil
	}
	return b, fmt.Errorf("bloom filter of %d bytes, want %d", len(raw), BloomSize)
}

// MarshalText returns the filter as hex with the prefix 0x.
func (b Bloom) MarshalText() ([]byte, error) { return []byte("0x" + hex.EncodeToString(b[:])), nil }

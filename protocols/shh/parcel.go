package shh

import (
	"bytes"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
)

// parcel is an envelope with what is computed of it only once. It does not change while
// it is in a pool, but for the pool's own fields.
type parcel struct {
	*Envelope
	raw   []byte // its RLP; Data is a part of it
	hash  common.Hash
	pow   float64
	asked Bloom
	own   bool // posted here

	slot     int // its number in the pool, which no other one has meanwhile
	byExpiry int // where it stands in the pool's heaps
	byPoW    int
}

// parcelOf takes an envelope's bytes, of which it keeps a copy, and their hash.
func parcelOf(raw []byte, hash common.Hash) (*parcel, error) {
	raw = bytes.Clone(raw)
	e, err := ParseEnvelope(raw)
	if err != nil {
		return nil, err
	}
	return &parcel{Envelope: e, raw: raw, hash: hash, pow: e.PoW(), asked: e.Topic.asked()}, nil
}

// ownParcel is for an envelope that was made here.
func ownParcel(e *Envelope) (*parcel, error) {
	raw := e.Encode()
	p, err := parcelOf(raw, crypto.Keccak256Hash(raw))
	if err == nil {
		p.own = true
	}
	return p, err
}

// parcelOverhead is what a parcel takes beside its bytes, roughly: itself and its places
// in the pool's indices.
const parcelOverhead = 400

// cost is what the parcel counts for the pool's limit, in bytes.
func (p *parcel) cost() int { return len(p.raw) + parcelOverhead }

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
	proof proof
	pow   float64
	worth float64 // what decides whether it stays in a full pool: the work per byte of room
	asked Bloom
	own   bool // posted here

	slot     int // its number in the pool, which no other one has meanwhile
	byExpiry int // where it stands in the pool's heaps
	byWorth  int
}

// parcelOf takes an envelope's bytes, of which it keeps a copy, and their hash.
func parcelOf(raw []byte, hash common.Hash) (*parcel, error) {
	raw = bytes.Clone(raw)
	e, err := ParseEnvelope(raw)
	if err != nil {
		return nil, err
	}
	p := &parcel{Envelope: e, raw: raw, hash: hash, proof: e.proof(), asked: e.Topic.asked()}
	p.pow, p.worth = p.proof.pow(e.TTL), p.proof.hashes()/float64(p.cost())
	return p, nil
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

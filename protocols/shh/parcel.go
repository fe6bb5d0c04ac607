package shh

import (
	"bytes"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
)

// parcel is an envelope with values that are computed from it once. While it is in a pool,
// only the pool's own fields change.
type parcel struct {
	*Envelope
	raw   []byte // its RLP; Data is a part of it
	hash  common.Hash
	proof proof
	pow   float64
	worth float64 // work per byte of its cost; a full pool evicts the parcels with the least worth
	asked Bloom
	own   bool // posted on this node

	slot     int // its number in the pool, unique among the parcels there
	byExpiry int // its indices in the pool's heaps
	byWorth  int
}

// parcelOf makes a parcel of an envelope's bytes, which it copies, and their hash.
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

// ownParcel makes the parcel of an envelope that was made on this node.
func ownParcel(e *Envelope) (*parcel, error) {
	raw := e.Encode()
	p, err := parcelOf(raw, crypto.Keccak256Hash(raw))
	if err == nil {
		p.own = true
	}
	return p, err
}

// parcelOverhead is the approximate memory of a parcel besides the envelope's bytes: the
// struct and its entries in the pool's indices. In bytes.
const parcelOverhead = 400

// cost returns the bytes that the parcel counts towards the pool's limit.
func (p *parcel) cost() int { return len(p.raw) + parcelOverhead }

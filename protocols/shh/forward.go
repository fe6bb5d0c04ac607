package shh

import (
	"encoding/binary"
	"errors"
	"slices"
	"time"

	"github.com/ethereum/go-ethereum/rlp"

	"github.com/troupe-p2p/troupe/protocols"
)

// bundleSize is how many bytes of envelopes go in one message, or one envelope if that is
// larger.
const bundleSize = 128 << 10

// wants says whether a peer is to get a parcel.
func (w *Whisper) wants(p *peer, in *parcel) bool {
	return !p.known.has(in.slot) && (in.own || !w.light) &&
		in.pow >= p.minPoW && p.bloom.Matches(in.asked)
}

// catchUp sends a peer all that it wants of the pool.
func (w *Whisper) catchUp(p *peer) {
	w.pool.expire(uint32(time.Now().Unix()))
	var wanted []*parcel
	for _, in := range w.pool.held {
		if w.wants(p, in) {
			wanted = append(wanted, in)
		}
	}
	w.send(p, wanted, bundles{})
}

// forward sends parcels that are new to all peers that want them. Those that had to make
// room meanwhile are left out: their slots are others' now.
func (w *Whisper) forward(fresh []*parcel) {
	w.mu.Lock()
	defer w.mu.Unlock()
	fresh = slices.DeleteFunc(slices.Clone(fresh), func(in *parcel) bool { return w.pool.held[in.hash] != in })
	bundles := bundles{}
	for p := range w.peers {
		if p.behind {
			continue // catchUp will find them
		}
		var wanted []*parcel
		for _, in := range fresh {
			if w.wants(p, in) {
				wanted = append(wanted, in)
			}
		}
		w.send(p, wanted, bundles)
	}
}

// send sends parcels in bundles, as many as the outbox takes. It uses the link's shared
// handle: parcels are no answers, whichever message led to them, or two nodes that send each
// other their pools would both stop listening.
func (w *Whisper) send(p *peer, parcels []*parcel, bundles bundles) {
	for len(parcels) > 0 && !p.behind {
		n := fitting(parcels)
		msg, err := bundles.of(parcels[:n])
		if err == nil {
			err = p.link.Send(msg)
		}
		switch {
		case errors.Is(err, protocols.ErrOutboxFull):
			p.behind = true
			return
		case err != nil:
			return // the link is ending
		}
		for _, in := range parcels[:n] {
			p.known.set(in.slot)
		}
		p.sent += uint64(n)
		parcels = parcels[n:]
	}
}

// fitting is how many parcels go into one message.
func fitting(parcels []*parcel) int {
	size := 0
	for n, in := range parcels {
		if size += len(in.raw); n > 0 && size > bundleSize {
			return n
		}
	}
	return len(parcels)
}

// bundles are messages for many peers, by the slots of their parcels: most peers want the
// same, which is encoded and compressed once.
type bundles map[string]*protocols.Encoded

func (b bundles) of(parcels []*parcel) (*protocols.Encoded, error) {
	var key []byte
	for _, in := range parcels {
		key = binary.AppendUvarint(key, uint64(in.slot))
	}
	if msg, ok := b[string(key)]; ok {
		return msg, nil
	}
	raw := make([]rlp.RawValue, len(parcels))
	for i, in := range parcels {
		raw[i] = in.raw
	}
	msg, err := protocols.Encode(&protocols.RawMessage{Code: messagesCode, Payload: mustEncode(raw)})
	if err == nil {
		b[string(key)] = msg
	}
	return msg, err
}

// unmark is called when a slot has lost its parcel.
func (w *Whisper) unmark(slot int) {
	for p := range w.peers {
		p.known.clear(slot)
	}
}

package shh

import (
	"encoding/binary"
	"errors"
	"slices"
	"time"

	"github.com/ethereum/go-ethereum/rlp"

	"github.com/troupe-p2p/troupe/protocols"
)

// bundleSize is the maximum size in bytes of the envelopes in one message. A larger envelope
// goes alone.
const bundleSize = 128 << 10

// wants reports whether to send a parcel to a peer.
func (w *Whisper) wants(p *peer, in *parcel) bool {
	return !p.known.has(in.slot) && (in.own || !w.light) &&
		in.pow >= p.minPoW && p.bloom.Matches(in.asked)
}

// catchUp sends a peer all of the pool's parcels that it wants.
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

// forward sends new parcels to all peers that want them. It skips parcels that were evicted
// meanwhile, because their slots may belong to other parcels now.
func (w *Whisper) forward(fresh []*parcel) {
	w.mu.Lock()
	defer w.mu.Unlock()
	fresh = slices.DeleteFunc(slices.Clone(fresh), func(in *parcel) bool { return w.pool.held[in.hash] != in })
	bundles := bundles{}
	for p := range w.peers {
		if p.lagging {
			continue // catchUp will send them
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

// send sends parcels in bundles, until the outbox is full. It uses the link's shared handle:
// parcels are no answers, whichever message led to them. Otherwise two nodes that send each
// other their pools would both stop handling messages.
func (w *Whisper) send(p *peer, parcels []*parcel, bundles bundles) {
	for len(parcels) > 0 && !p.lagging {
		n := fitting(parcels)
		msg, err := bundles.of(parcels[:n])
		if err == nil {
			err = p.link.Send(msg)
		}
		switch {
		case errors.Is(err, protocols.ErrOutboxFull):
			p.lagging = true
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

// fitting returns the number of parcels that go into one message.
func fitting(parcels []*parcel) int {
	size := 0
	for n, in := range parcels {
		if size += len(in.raw); n > 0 && size > bundleSize {
			return n
		}
	}
	return len(parcels)
}

// bundles caches messages by the slots of their parcels. Most peers want the same parcels,
// so their message is encoded and compressed once.
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

// unmark removes a slot from the sets of all peers. The pool calls it when the slot's
// parcel was removed.
func (w *Whisper) unmark(slot int) {
	for p := range w.peers {
		p.known.clear(slot)
	}
}

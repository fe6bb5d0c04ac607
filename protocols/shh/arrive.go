package shh

import (
	"errors"
	"fmt"
	"time"

	"github.com/ethereum/go-ethereum/crypto"

	"github.com/troupe-p2p/troupe/protocols"
)

// ErrFlood is the error of a remote that keeps sending more than its rate.
var ErrFlood = errors.New("peer keeps sending more than its rate")

// reasonOf returns the reason with which to end a link because of err.
func reasonOf(err error) protocols.DiscReason {
	for _, rule := range []error{ErrFromFuture, ErrLongExpired, ErrOversized, ErrTooLowPoW, ErrNotAskedFor} {
		if errors.Is(err, rule) {
			return protocols.DiscSubprotocolError
		}
	}
	switch {
	case errors.Is(err, ErrFlood):
		return protocols.DiscUselessPeer
	case errors.Is(err, ErrClosed):
		return protocols.DiscQuitting
	}
	return protocols.DiscProtocolError
}

// checkSize rejects a message of the link that is larger than the node's limit.
func (w *Whisper) checkSize(payload []byte) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(payload) > w.demand.maxSize {
		return fmt.Errorf("message of %d bytes is %w of %d", len(payload), ErrOversized, w.demand.maxSize)
	}
	return nil
}

// charge subtracts the amount from a peer's allowance. It returns false if the caller must
// drop the message.
func (w *Whisper) charge(p *peer, envelopes, bytes int) (bool, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	ok, flooder := p.limit.take(float64(envelopes), float64(bytes), time.Now())
	switch {
	case flooder:
		return false, ErrFlood
	case !ok:
		p.dropped += uint64(envelopes)
	}
	return ok, nil
}

// arrive processes a message's envelopes in order, until one is invalid. The envelopes
// before it are accepted.
func (w *Whisper) arrive(p *peer, payload []byte) error {
	var fresh []*parcel
	err := eachEnvelope(payload, func(raw []byte) error {
		if ok, err := w.charge(p, 1, len(raw)); !ok {
			return err
		}
		hash := crypto.Keccak256Hash(raw)
		if w.mark(p, hash) {
			return nil
		}
		in, err := parcelOf(raw, hash)
		if err != nil {
			return err
		}
		added, err := w.admit(in, p)
		if added {
			fresh = append(fresh, in)
		}
		return err
	})
	w.spread(fresh)
	return err
}

// mark records that a peer has an envelope, and reports whether this node already had it.
func (w *Whisper) mark(p *peer, hash [32]byte) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	p.taken++
	in, had := w.pool.find(hash)
	if in != nil {
		p.known.set(in.slot)
	}
	return had
}

// admit validates a parcel and adds it to the pool. from is the peer that sent it, or nil
// for a parcel of this node. A parcel of a peer that has expired is not added, which is no
// error.
func (w *Whisper) admit(in *parcel, from *peer) (added bool, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := time.Now()
	if err := w.demand.judge(in, now); err != nil {
		if errors.Is(err, errExpired) && from != nil {
			return false, nil
		}
		return false, err
	}
	if w.closed {
		return false, ErrClosed
	}
	w.pool.expire(uint32(now.Unix()))
	switch w.pool.add(in) {
	case known: // another link has added it meanwhile
		if held, _ := w.pool.find(in.hash); held != nil && from != nil {
			from.known.set(held.slot)
		}
		return false, nil
	case refused:
		if from == nil {
			return false, ErrPoolFull
		}
		return false, nil
	}
	w.tickExpiry()
	if from != nil {
		from.known.set(in.slot)
	}
	return true, nil
}

// ErrClosed is the error of envelopes that come after [Whisper.Close].
var ErrClosed = errors.New("whisper is closed")

// ErrPoolFull is the error of a posted envelope if the pool is full of envelopes with more
// work.
var ErrPoolFull = errors.New("pool is full of envelopes with more work")

// spread sends new parcels to peers, filters and the mail server.
func (w *Whisper) spread(fresh []*parcel) {
	if len(fresh) == 0 {
		return
	}
	w.forward(fresh)
	for _, in := range fresh {
		w.filters.deliver(in, false)
	}
	if w.mail == nil {
		return
	}
	for _, in := range fresh {
		w.mail.Archive(in.Envelope) // last, because it is foreign code and may panic
	}
}

// direct processes a P2P message. It ignores messages of peers that are not trusted. PoW,
// age and topic don't matter.
func (w *Whisper) direct(p *peer, payload []byte) error {
	if !w.isTrusted(p) {
		return nil
	}
	if ok, err := w.charge(p, 1, len(payload)); !ok {
		return err
	}
	in, err := parcelOf(payload, crypto.Keccak256Hash(payload))
	if err != nil {
		return err
	}
	w.filters.deliver(in, true)
	return nil
}

// request passes a P2P request to the mail server, if there is one.
func (w *Whisper) request(p *peer, payload []byte) error {
	if w.mail == nil {
		return nil
	}
	if ok, err := w.charge(p, controlCost, len(payload)); !ok {
		return err
	}
	in, err := parcelOf(payload, crypto.Keccak256Hash(payload))
	if err != nil {
		return err
	}
	w.mail.Request(p.link.Peer(), in.Envelope)
	return nil
}

// require applies a peer's new demand, and sends it the pool's envelopes that it wants now.
// If the peer changes its demand too often for its allowance, the pool is not searched.
func (w *Whisper) require(p *peer, change func()) error {
	ok, err := w.charge(p, controlCost, 0)
	if err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	change()
	if ok {
		w.catchUp(p)
	}
	return nil
}

const expiryTick = time.Second

// tickExpiry starts the timer that drops expired parcels once a second while the pool is
// not empty.
func (w *Whisper) tickExpiry() {
	if w.expiry == nil {
		w.expiry = time.AfterFunc(expiryTick, w.expire)
	}
}

func (w *Whisper) expire() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.expiry = nil
	w.pool.expire(uint32(time.Now().Unix()))
	if len(w.pool.held) > 0 && !w.closed {
		w.tickExpiry()
	}
}

func (w *Whisper) stopExpiry() {
	if w.expiry != nil {
		w.expiry.Stop()
		w.expiry = nil
	}
}

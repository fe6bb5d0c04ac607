package shh

import (
	"errors"
	"fmt"
	"time"

	"github.com/ethereum/go-ethereum/crypto"

	"github.com/troupe-p2p/troupe/protocols"
)

// ErrFlood: a remote sends more than its rate, and goes on.
var ErrFlood = errors.New("peer sends more than its rate, and goes on")

// reasonOf says how a link ends whose remote made an error.
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

// checkSize refuses a message of the link that is larger than all of them may be.
func (w *Whisper) checkSize(payload []byte) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(payload) > w.demand.maxSize {
		return fmt.Errorf("message of %d bytes is %w of %d", len(payload), ErrOversized, w.demand.maxSize)
	}
	return nil
}

// charge takes so much from what a peer may send. False: it is to be dropped.
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

// arrive takes in a message's envelopes, one after the other, until one is wrong. Those
// before it count.
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

// mark notes that a peer has an envelope, and says whether this node had it before.
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

// admit judges a parcel and takes it into the pool. from is the peer that sent it, nil
// for one of this node's. One that expired on its way is not added, and no error.
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
	case known: // another link was faster
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

// ErrClosed: nothing comes in any more after [Whisper.Close].
var ErrClosed = errors.New("whisper is closed")

// ErrPoolFull: the pool is full of envelopes with more work in them.
var ErrPoolFull = errors.New("the pool is full of envelopes with more work in them")

// spread passes parcels on that are new, and looks into them.
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
		w.mail.Archive(in.Envelope) // last, because it is not ours and may panic
	}
}

// direct takes in a P2P message. It counts only from a trusted peer, and then whatever
// its PoW, age and topic.
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

// request hands a P2P request to the mail server, if there is one.
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

// require takes a peer's new demand, and sends it what it had not wanted before. Whoever
// changes it more often than this node looks through its pool is not looked through for
// any more.
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

// tickExpiry drops what has expired once a second, while there is something to expire.
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

package shh

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
)

// ErrNoTopics: a message with a symmetric key needs a topic, by which readers find it.
var ErrNoTopics = errors.New("missing topic")

// Post encrypts a message, works for its PoW, and sends it on its way: to all peers that
// want it and to this node's own filters, or to the TargetPeer alone. It gives the hash of
// the envelope. It computes until it is done, for PowTime at most, or until ctx ends: an
// actor uses [Whisper.PostLater]. Errors: [ErrSymAsym], [ErrNoTopics],
// [ErrInvalidPublicKey], [ErrNoKey], [ErrTooLowPoW] for a target below the node's own
// minimum, [ErrPoWNotReached], [ErrOversized], [ErrPoolFull], [ErrClosed]; and for a TargetPeer those
// of [Whisper.SendP2P].
func (w *Whisper) Post(ctx context.Context, m NewMessage) (common.Hash, error) {
	l, err := w.letter(m)
	if err != nil {
		return common.Hash{}, err
	}
	pow, err := w.target(m)
	if err != nil {
		return common.Hash{}, err
	}
	e, err := l.Envelope(time.Now())
	if err != nil {
		return common.Hash{}, err
	}
	if err := w.checkFits(e); err != nil {
		return common.Hash{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, time.Duration(cmp.Or(m.PowTime, DefaultPowTime))*time.Second)
	defer cancel()
	defer context.AfterFunc(w.life, cancel)()
	if err := e.Seal(ctx, pow); err != nil {
		return common.Hash{}, err
	}
	if m.TargetPeer != "" {
		return e.Hash(), w.SendP2P(m.TargetPeer, e)
	}
	return e.Hash(), w.Send(e)
}

// Posted tells an actor what became of a message that it had posted, see
// [Whisper.PostLater].
type Posted struct {
	Message NewMessage
	Hash    common.Hash // of the envelope
	Err     error
}

// PostLater is Post in a goroutine of its own, for an actor, which gets a *[Posted] when
// it is done.
func (w *Whisper) PostLater(ctx context.Context, root *actor.RootContext, to *actor.PID, m NewMessage) {
	go func() {
		hash, err := w.postSafely(ctx, m)
		root.Send(to, &Posted{Message: m, Hash: hash, Err: err})
	}()
}

// postSafely is Post whose panic is an error: nobody else would catch it.
func (w *Whisper) postSafely(ctx context.Context, m NewMessage) (hash common.Hash, err error) {
	defer func() {
		if value := recover(); value != nil {
			err = fmt.Errorf("post: panic: %v\n%s", value, debug.Stack())
		}
	}()
	return w.Post(ctx, m)
}

// Send sends an envelope on its way that is complete. It must be one that this node lets
// in, whatever its topic.
func (w *Whisper) Send(e *Envelope) error {
	if err := w.checkFits(e); err != nil {
		return err
	}
	in, err := ownParcel(e)
	if err != nil {
		return err
	}
	added, err := w.admit(in, nil)
	if added {
		w.spread([]*parcel{in})
	}
	return err
}

// checkFits refuses an envelope that makes a message larger than peers take, if they have
// this node's limit.
func (w *Whisper) checkFits(e *Envelope) error {
	const listHeader = 4
	w.mu.Lock()
	defer w.mu.Unlock()
	if size := len(e.Encode()) + listHeader; size > w.demand.maxSize {
		return fmt.Errorf("message of %d bytes is %w of %d", size, ErrOversized, w.demand.maxSize)
	}
	return nil
}

// letter looks up the keys of a message.
func (w *Whisper) letter(m NewMessage) (*Letter, error) {
	if (m.SymKeyID == "") == (len(m.PublicKey) == 0) {
		return nil, ErrSymAsym
	}
	l := &Letter{TTL: m.TTL, Topic: m.Topic, Payload: m.Payload, Padding: m.Padding}
	var err error
	if m.Sig != "" {
		if l.Sign, err = w.pair(m.Sig); err != nil {
			return nil, fmt.Errorf("sig: %w", err)
		}
	}
	if m.SymKeyID != "" {
		if m.Topic == (Topic{}) {
			return nil, ErrNoTopics
		}
		l.SymKey, err = w.GetSymKey(m.SymKeyID)
		return l, err
	}
	if l.To, err = crypto.UnmarshalPubkey(m.PublicKey); err != nil {
		return nil, fmt.Errorf("pubKey: %w", ErrInvalidPublicKey)
	}
	return l, nil
}

// target is the PoW to work for.
func (w *Whisper) target(m NewMessage) (float64, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case m.TargetPeer != "":
		return m.PowTarget, nil
	case m.PowTarget == 0:
		return w.demand.minPoW, nil
	case !(m.PowTarget >= w.demand.minPoW):
		return 0, fmt.Errorf("%w: target %v, want %v", ErrTooLowPoW, m.PowTarget, w.demand.minPoW)
	}
	return m.PowTarget, nil
}

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

// ErrNoTopics is the error of a message with a symmetric key and no topic: readers find
// such messages by their topic.
var ErrNoTopics = errors.New("missing topic")

// Post encrypts a message, computes its PoW, and sends it to all peers that want it and to
// this node's own filters, or to the TargetPeer alone. It returns the hash of the envelope.
// Post blocks while it computes, for PowTime at most or until ctx ends; an actor must use
// [Whisper.PostLater] instead. Errors: [ErrSymAsym], [ErrNoTopics], [ErrInvalidPublicKey],
// [ErrNoKey], [ErrTooLowPoW] for a target below the node's own minimum, [ErrPoWNotReached],
// [ErrOversized], [ErrPoolFull], [ErrClosed]; for a TargetPeer also those of
// [Whisper.SendP2P].
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
	defer context.AfterFunc(w.ctx, cancel)()
	if err := e.Seal(ctx, pow); err != nil {
		return common.Hash{}, err
	}
	if m.TargetPeer != "" {
		return e.Hash(), w.SendP2P(m.TargetPeer, e)
	}
	return e.Hash(), w.Send(e)
}

// Posted is the result of [Whisper.PostLater] for the actor that called it.
type Posted struct {
	Message NewMessage
	Hash    common.Hash // of the envelope
	Err     error
}

// PostLater calls Post in a new goroutine, and then sends a *[Posted] to the actor to.
func (w *Whisper) PostLater(ctx context.Context, root *actor.RootContext, to *actor.PID, m NewMessage) {
	go func() {
		hash, err := w.postSafely(ctx, m)
		root.Send(to, &Posted{Message: m, Hash: hash, Err: err})
	}()
}

// postSafely calls Post and turns a panic into an error, because a panic in this goroutine
// would end the process.
func (w *Whisper) postSafely(ctx context.Context, m NewMessage) (hash common.Hash, err error) {
	defer func() {
		if value := recover(); value != nil {
			err = fmt.Errorf("post: panic: %v\n%s", value, debug.Stack())
		}
	}()
	return w.Post(ctx, m)
}

// Send sends a complete envelope. This node must accept the envelope by its own rules; the
// topic doesn't matter.
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

// checkFits rejects an envelope that doesn't fit a message of the maximum size. It assumes
// that peers have the same limit as this node.
func (w *Whisper) checkFits(e *Envelope) error {
	const listHeader = 4
	w.mu.Lock()
	defer w.mu.Unlock()
	if size := len(e.Encode()) + listHeader; size > w.demand.maxSize {
		return fmt.Errorf("message of %d bytes is %w of %d", size, ErrOversized, w.demand.maxSize)
	}
	return nil
}

// letter looks up the keys of a message and returns its Letter.
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

// target returns the PoW that the message must reach.
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

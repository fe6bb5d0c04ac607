package shh

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/rpc"
)

const (
	// filterTimeout is the time after the last poll at which a filter made by JSON-RPC is
	// removed, because its client may have gone.
	filterTimeout = 5 * time.Minute
	// maxFilters is the maximum number of such filters.
	maxFilters = 64
)

// ErrTooManyFilters is the error if the maximum number of JSON-RPC filters is in use.
var ErrTooManyFilters = errors.New("too many filters")

// api is the namespace shh of JSON-RPC: the old shh_* calls. Its methods adapt those of
// [Whisper] to the old signatures.
type api struct {
	w *Whisper

	mu     sync.Mutex
	polled map[string]time.Time // time of each filter's last poll
}

func newAPI(w *Whisper) *api { return &api{w: w, polled: map[string]time.Time{}} }

// Version is shh_version.
func (a *api) Version() string { return a.w.Version() }

// Info is shh_info.
func (a *api) Info() Info { return a.w.Info() }

// SetMaxMessageSize is shh_setMaxMessageSize.
func (a *api) SetMaxMessageSize(size uint32) (bool, error) {
	return done(a.w.SetMaxMessageSize(int(min(size, MaxMessageSize+1))))
}

// SetMinPoW is shh_setMinPoW.
func (a *api) SetMinPoW(pow float64) (bool, error) { return done(a.w.SetMinPoW(pow)) }

// SetBloomFilter is shh_setBloomFilter.
func (a *api) SetBloomFilter(filter hexutil.Bytes) (bool, error) {
	b, err := bloomOf(filter)
	if err == nil {
		a.w.SetBloomFilter(b)
	}
	return done(err)
}

// MarkTrustedPeer is shh_markTrustedPeer.
func (a *api) MarkTrustedPeer(peer string) (bool, error) { return done(a.w.MarkTrustedPeer(peer)) }

// MakeLightClient is shh_makeLightClient.
func (a *api) MakeLightClient() bool {
	a.w.SetLightClient(true)
	return true
}

// CancelLightClient is shh_cancelLightClient.
func (a *api) CancelLightClient() bool {
	a.w.SetLightClient(false)
	return true
}

// NewKeyPair is shh_newKeyPair.
func (a *api) NewKeyPair() (string, error) { return a.w.NewKeyPair() }

// AddPrivateKey is shh_addPrivateKey.
func (a *api) AddPrivateKey(key hexutil.Bytes) (string, error) { return a.w.AddPrivateKey(key) }

// DeleteKeyPair is shh_deleteKeyPair.
func (a *api) DeleteKeyPair(id string) (bool, error) { return done(a.w.DeleteKeyPair(id)) }

// HasKeyPair is shh_hasKeyPair.
func (a *api) HasKeyPair(id string) bool { return a.w.HasKeyPair(id) }

// GetPublicKey is shh_getPublicKey.
func (a *api) GetPublicKey(id string) (hexutil.Bytes, error) { return a.w.GetPublicKey(id) }

// GetPrivateKey is shh_getPrivateKey.
func (a *api) GetPrivateKey(id string) (hexutil.Bytes, error) { return a.w.GetPrivateKey(id) }

// NewSymKey is shh_newSymKey.
func (a *api) NewSymKey() string { return a.w.NewSymKey() }

// AddSymKey is shh_addSymKey.
func (a *api) AddSymKey(key hexutil.Bytes) (string, error) { return a.w.AddSymKey(key) }

// GenerateSymKeyFromPassword is shh_generateSymKeyFromPassword.
func (a *api) GenerateSymKeyFromPassword(password string) (string, error) {
	return a.w.GenerateSymKeyFromPassword(password)
}

// HasSymKey is shh_hasSymKey.
func (a *api) HasSymKey(id string) bool { return a.w.HasSymKey(id) }

// GetSymKey is shh_getSymKey.
func (a *api) GetSymKey(id string) (hexutil.Bytes, error) { return a.w.GetSymKey(id) }

// DeleteSymKey is shh_deleteSymKey.
func (a *api) DeleteSymKey(id string) bool { return a.w.DeleteSymKey(id) }

// Post is shh_post.
func (a *api) Post(ctx context.Context, m NewMessage) (common.Hash, error) { return a.w.Post(ctx, m) }

// NewMessageFilter is shh_newMessageFilter. The filter is removed when no client has polled
// it for five minutes.
func (a *api) NewMessageFilter(c Criteria) (string, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := time.Now()
	for id, last := range a.polled {
		if now.Sub(last) >= filterTimeout {
			delete(a.polled, id)
			_ = a.w.DeleteMessageFilter(id) // fails if Whisper was closed
		}
	}
	if len(a.polled) >= maxFilters {
		return "", fmt.Errorf("%w: %d are in use", ErrTooManyFilters, maxFilters)
	}
	id, err := a.w.NewMessageFilter(c)
	if err == nil {
		a.polled[id] = now
	}
	return id, err
}

// GetFilterMessages is shh_getFilterMessages.
func (a *api) GetFilterMessages(id string) ([]*Message, error) {
	a.mu.Lock()
	if _, ok := a.polled[id]; ok {
		a.polled[id] = time.Now()
	}
	a.mu.Unlock()
	messages, err := a.w.GetFilterMessages(id)
	if messages == nil && err == nil {
		messages = []*Message{} // callers expect an empty list, not null
	}
	return messages, err
}

// DeleteMessageFilter is shh_deleteMessageFilter.
func (a *api) DeleteMessageFilter(id string) (bool, error) {
	a.mu.Lock()
	delete(a.polled, id)
	a.mu.Unlock()
	return done(a.w.DeleteMessageFilter(id))
}

// Messages is the subscription messages of shh_subscribe.
func (a *api) Messages(ctx context.Context, c Criteria) (*rpc.Subscription, error) {
	notifier, ok := rpc.NotifierFromContext(ctx)
	if !ok {
		return nil, rpc.ErrNotificationsUnsupported
	}
	listening, cancel := context.WithCancel(context.Background())
	messages, err := a.w.Subscribe(listening, c)
	if err != nil {
		cancel()
		return nil, err
	}
	sub := notifier.CreateSubscription()
	go a.notify(notifier, sub, messages, cancel)
	return sub, nil
}

// notify sends messages until the client unsubscribes, its connection ends, or Whisper is
// closed. A client that does not read loses messages, and then its connection. A panic in
// this goroutine would end the process, so notify recovers from it, ends the subscription
// and counts one missed message.
func (a *api) notify(to *rpc.Notifier, sub *rpc.Subscription, messages <-chan *Message, end func()) {
	defer func() {
		if recover() != nil {
			a.w.filters.missed.Add(1)
		}
		end()
	}()
	for {
		select {
		case m, ok := <-messages:
			if !ok || to.Notify(sub.ID, m) != nil {
				return
			}
		case <-sub.Err():
			return
		}
	}
}

// done returns the result of the old calls, which is true on success.
func done(err error) (bool, error) { return err == nil, err }

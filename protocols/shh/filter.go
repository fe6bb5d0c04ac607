package shh

import (
	"context"
	"crypto/ecdsa"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/ethereum/go-ethereum/crypto"
)

// ErrNoFilter is the error for an unknown filter ID.
var ErrNoFilter = errors.New("no such filter")

// Limits of the messages that a filter keeps; it drops the oldest first.
const (
	maxFilterMessages = 1024
	maxFilterBytes    = 8 << 20
	// subscriberBuffer is the number of messages that a subscriber's channel holds.
	subscriberBuffer = 64
)

// filter selects messages. It keeps them until they are fetched, or sends them to a
// subscriber.
type filter struct {
	symKey   []byte
	pair     *ecdsa.PrivateKey
	key      string // identifies the key, so each key is tried once per envelope
	dst      []byte // public key of pair
	sender   []byte // public key of the required signer, nil: any
	minPoW   float64
	topics   []Topic
	allowP2P bool

	feed    chan *Message // the subscriber's channel, nil for a filter without one
	removed bool
	waiting []*Message
	bytes   int
}

// filters are the filters of a node. They are safe for concurrent use.
type filters struct {
	mu     sync.Mutex
	byID   map[string]*filter
	missed atomic.Uint64
}

// filterOf looks up the keys of criteria and makes a filter.
func (k *keyStore) filterOf(c Criteria) (*filter, error) {
	if (c.SymKeyID == "") == (c.PrivateKeyID == "") {
		return nil, ErrSymAsym
	}
	f := &filter{minPoW: c.MinPow, topics: slices.Clone(c.Topics), allowP2P: c.AllowP2P}
	if len(c.Sig) > 0 {
		pub, err := crypto.UnmarshalPubkey(c.Sig)
		if err != nil {
			return nil, fmt.Errorf("sig: %w", ErrInvalidPublicKey)
		}
		f.sender = crypto.FromECDSAPub(pub)
	}
	var err error
	if c.SymKeyID != "" {
		if f.symKey, err = k.GetSymKey(c.SymKeyID); err != nil {
			return nil, err
		}
		f.key = "symmetric " + string(f.symKey)
		return f, nil
	}
	if f.pair, err = k.pair(c.PrivateKeyID); err != nil {
		return nil, err
	}
	f.dst = crypto.FromECDSAPub(&f.pair.PublicKey)
	f.key = "asymmetric " + string(f.dst)
	return f, nil
}

// bloom returns the bloom filter of the filter's topics.
func (f *filter) bloom() (b Bloom) {
	if len(f.topics) == 0 {
		return FullBloom()
	}
	for _, t := range f.topics {
		b = b.Or(t.Bloom())
	}
	return b
}

// wants reports whether the filter should try to decrypt an envelope.
func (f *filter) wants(p *parcel, p2p bool) bool {
	return (!p2p || f.allowP2P) && (p.pow >= f.minPoW || f.minPoW <= 0) &&
		(len(f.topics) == 0 || slices.Contains(f.topics, p.Topic))
}

func (f *filter) open(p *parcel) (*Content, error) {
	if f.pair != nil {
		return p.OpenAsymmetric(f.pair)
	}
	return p.OpenSymmetric(f.symKey)
}

// message returns the message of a decrypted envelope, or nil if the signer doesn't match.
func (f *filter) message(p *parcel, c *Content) *Message {
	m := &Message{
		TTL: p.TTL, Timestamp: p.Expiry - p.TTL, Topic: p.Topic,
		Payload: c.Payload, Padding: c.Padding, PoW: p.pow, Hash: p.hash.Bytes(), Dst: f.dst,
	}
	if c.Sender != nil {
		m.Sig = crypto.FromECDSAPub(c.Sender)
	}
	if f.sender != nil && !slices.Equal(f.sender, m.Sig) {
		return nil
	}
	return m
}

// deliver decrypts an envelope with the keys of all filters that want it. Decryption takes
// time, so deliver must be called where only the peer that sent the envelope waits for it.
func (fs *filters) deliver(p *parcel, p2p bool) {
	fs.mu.Lock()
	var wanting []*filter
	for _, f := range fs.byID {
		if f.wants(p, p2p) {
			wanting = append(wanting, f)
		}
	}
	fs.mu.Unlock()
	opened := map[string]*Content{} // nil: this key doesn't decrypt the envelope
	for _, f := range wanting {
		c, tried := opened[f.key]
		if !tried {
			var err error
			if c, err = f.open(p); err != nil {
				c = nil
			}
			opened[f.key] = c
		}
		if c == nil {
			continue
		}
		if m := f.message(p, c); m != nil {
			fs.keep(f, m)
		}
	}
}

// keep sends a message to the filter's subscriber, or keeps it until it is fetched.
func (fs *filters) keep(f *filter, m *Message) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if f.removed {
		return
	}
	if f.feed != nil {
		select {
		case f.feed <- m:
		default:
			fs.missed.Add(1)
		}
		return
	}
	if slices.ContainsFunc(f.waiting, func(w *Message) bool { return slices.Equal(w.Hash, m.Hash) }) {
		return // a P2P message may arrive more than once
	}
	f.waiting = append(f.waiting, m)
	f.bytes += m.size()
	for len(f.waiting) > maxFilterMessages || f.bytes > maxFilterBytes && len(f.waiting) > 1 {
		f.bytes -= f.waiting[0].size()
		f.waiting = slices.Delete(f.waiting, 0, 1)
		fs.missed.Add(1)
	}
}

func (m *Message) size() int { return len(m.Payload) + len(m.Padding) }

func (fs *filters) install(f *filter) (id string) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if fs.byID == nil {
		fs.byID = map[string]*filter{}
	}
	id = randomID()
	fs.byID[id] = f
	return id
}

// take removes and returns the messages that a filter has kept, the oldest first.
func (fs *filters) take(id string) ([]*Message, error) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	f, ok := fs.byID[id]
	if !ok {
		return nil, fmt.Errorf("filter %s: %w", id, ErrNoFilter)
	}
	taken := f.waiting
	f.waiting, f.bytes = nil, 0
	return taken, nil
}

func (fs *filters) remove(id string) error {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	f, ok := fs.byID[id]
	if !ok {
		return fmt.Errorf("filter %s: %w", id, ErrNoFilter)
	}
	delete(fs.byID, id)
	f.removed = true
	if f.feed != nil {
		close(f.feed)
	}
	return nil
}

// subscribe installs a filter that sends its messages to a channel until ctx ends.
func (fs *filters) subscribe(ctx context.Context, f *filter) <-chan *Message {
	f.feed = make(chan *Message, subscriberBuffer)
	id := fs.install(f)
	context.AfterFunc(ctx, func() {
		_ = fs.remove(id) // fails if the filter was already removed
	})
	return f.feed
}

// close ends all subscriptions and removes all filters.
func (fs *filters) close() {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	for id, f := range fs.byID {
		delete(fs.byID, id)
		f.removed = true
		if f.feed != nil {
			close(f.feed)
		}
	}
}

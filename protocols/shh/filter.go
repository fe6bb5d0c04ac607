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

// ErrNoFilter: there is no filter with that ID.
var ErrNoFilter = errors.New("no such filter")

// What waits in a filter that nobody asks is bounded; the oldest goes first.
const (
	maxFilterMessages = 1024
	maxFilterBytes    = 8 << 20
	// subscriberBuffer is how many messages wait for a subscriber.
	subscriberBuffer = 64
)

// filter picks messages and keeps them until they are asked for, or hands them to a
// subscriber.
type filter struct {
	symKey   []byte
	pair     *ecdsa.PrivateKey
	key      string // one for each key, so that none is tried twice
	dst      []byte // pair's public half
	sender   []byte // who must have signed, nil: anybody
	minPoW   float64
	topics   []Topic
	allowP2P bool

	feed    chan *Message // of a subscriber, nil otherwise
	removed bool
	waiting []*Message
	bytes   int
}

// filters are a node's. They are safe from any goroutine.
type filters struct {
	mu     sync.Mutex
	byID   map[string]*filter
	missed atomic.Uint64
}

// filterOf looks up the keys of criteria.
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

// bloom is what the filter asks the network for.
func (f *filter) bloom() (b Bloom) {
	if len(f.topics) == 0 {
		return FullBloom()
	}
	for _, t := range f.topics {
		b = b.Or(t.Bloom())
	}
	return b
}

// wants says whether an envelope is worth the try to open it.
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

// message is what the filter lets through of an envelope that it opens, nil if nothing.
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

// deliver opens an envelope with the keys of all filters that want it. It computes, so it
// is called where nothing waits for it but the peer that sent the envelope.
func (fs *filters) deliver(p *parcel, p2p bool) {
	fs.mu.Lock()
	var wanting []*filter
	for _, f := range fs.byID {
		if f.wants(p, p2p) {
			wanting = append(wanting, f)
		}
	}
	fs.mu.Unlock()
	opened := map[string]*Content{} // nil: this key does not open it
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

// keep hands a message to the filter's subscriber, or keeps it until it is asked for.
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
		return // a P2P message may come again
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

// take gives what a filter has kept, the oldest first.
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

// subscribe installs a filter that hands its messages to a channel until ctx ends.
func (fs *filters) subscribe(ctx context.Context, f *filter) <-chan *Message {
	f.feed = make(chan *Message, subscriberBuffer)
	id := fs.install(f)
	context.AfterFunc(ctx, func() {
		_ = fs.remove(id) // gone if somebody was faster
	})
	return f.feed
}

// close ends all subscriptions and forgets all filters.
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

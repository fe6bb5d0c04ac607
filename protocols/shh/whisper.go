package shh

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"sync"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/ethereum/go-ethereum/common/hexutil"

	"github.com/troupe-p2p/troupe/protocols"
)

// Whisper is a node's side of the protocol: its keys, its filters, and the envelopes that
// it forwards. Its methods have the names of the old shh_* calls, and are safe for
// concurrent use.
type Whisper struct {
	keyStore
	filters filters
	mail    MailServer
	rate    Rate
	api     *api
	flags   *flag.FlagSet
	ctx     context.Context // ends with Close
	cancel  context.CancelFunc

	mu      sync.Mutex
	demand  demand
	light   bool
	pool    *pool
	peers   map[*peer]struct{}
	trusted map[string]struct{} // IDs as in protocols.Peer
	arrived chan struct{}       // closed and replaced when a peer enters
	expiry  *time.Timer         // runs while the pool is not empty
	closed  bool
	runs    int // nodes that run the protocol
}

// New makes a node's side of the protocol. It starts no goroutine; see [Whisper.Spec].
func New(cfg Config) *Whisper {
	cfg = cfg.withDefaults()
	w := &Whisper{
		keyStore: newKeyStore(),
		mail:     cfg.MailServer, rate: cfg.Rate, light: cfg.Light,
		demand:  demand{minPoW: cfg.MinPoW, bloom: FullBloom(), maxSize: cfg.MaxMessageSize},
		peers:   map[*peer]struct{}{},
		trusted: map[string]struct{}{},
		arrived: make(chan struct{}),
	}
	if cfg.Bloom != nil {
		w.demand.bloom = *cfg.Bloom
	}
	w.api = newAPI(w)
	w.ctx, w.cancel = context.WithCancel(context.Background())
	w.pool = newPool(cfg.PoolBytes, cfg.PoolEnvelopes, w.unmark)
	w.flags = newFlags(w)
	return w
}

// Spec returns the Spec of shh/6 for w. Several nodes may use the same w.
func (w *Whisper) Spec() protocols.Spec {
	return protocols.Spec{
		Name: "shh",
		Versions: []protocols.Version{{
			Number: version, Length: messageCodes, Messages: messages(),
			Handshake: protocols.Exchange(w.ourStatus, w.checkStatus),
		}},
		New:       func() actor.Actor { return &link{w: w} },
		Provision: w.provision,
		Flags:     w.flags,
		PeerInfo:  w.peerInfo,
		NodeInfo:  func() any { return w.Info() },
		API:       w.api,
	}
}

// provision counts the nodes that run w. When none is left, w drops its envelopes, because no
// node forwards them.
func (w *Whisper) provision(_ context.Context, env *protocols.Env) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.runs++
	env.Cleanup(func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.runs--; w.runs == 0 {
			w.pool.empty()
			w.stopExpiry()
		}
	})
	return nil
}

// Close drops all envelopes, ends all subscriptions and aborts calls of Post. Later posts
// fail with [ErrClosed]. Call it after the node has stopped. A program that uses w no more
// need not call it: envelopes are dropped when the last node that runs w has stopped.
func (w *Whisper) Close() {
	w.cancel()
	w.filters.close()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = true
	w.pool.empty()
	w.stopExpiry()
}

// Await returns when at least one peer has completed the status exchange, or when ctx ends.
func (w *Whisper) Await(ctx context.Context) error {
	for {
		w.mu.Lock()
		peers, arrived := len(w.peers), w.arrived
		w.mu.Unlock()
		if peers > 0 {
			return nil
		}
		select {
		case <-arrived:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// Version returns the protocol's version in the form of the old call.
func (w *Whisper) Version() string { return "6.0" }

// Info returns the size of the pool and the node's demands.
func (w *Whisper) Info() Info {
	w.mu.Lock()
	defer w.mu.Unlock()
	return Info{
		Memory: w.pool.bytes, Messages: len(w.pool.held),
		MinPow: w.demand.minPoW, MaxMessageSize: w.demand.maxSize,
	}
}

// Missed returns the number of messages that were lost because a filter or subscription
// was not read in time.
func (w *Whisper) Missed() uint64 { return w.filters.missed.Load() }

// SetMaxMessageSize sets the limit of the link's messages and envelopes, in bytes.
func (w *Whisper) SetMaxMessageSize(size int) error {
	if size <= 0 || size > MaxMessageSize {
		return fmt.Errorf("message size of %d: want 1 to %d", size, MaxMessageSize)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.demand.maxSize = size
	return nil
}

// SetMinPoW sets the minimum PoW of accepted envelopes and announces it to the peers. For
// ten seconds envelopes that satisfy the former demand are accepted as well.
func (w *Whisper) SetMinPoW(pow float64) error {
	if _, err := powRequirement(pow).value(); err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.demand.remember(time.Now())
	w.demand.minPoW = pow
	w.announce(powRequirement(pow))
	return nil
}

// SetBloomFilter sets the bloom filter that envelopes must match and announces it to the
// peers. For ten seconds envelopes that match the former filter are accepted as well.
func (w *Whisper) SetBloomFilter(b Bloom) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.setBloom(b)
}

func (w *Whisper) setBloom(b Bloom) {
	w.demand.remember(time.Now())
	w.demand.bloom = b
	w.announce(BloomFilter(b[:]))
}

// SetLightClient switches light mode on or off. A light node forwards only envelopes that
// are posted on it. The change is not announced to connected peers. Two light nodes refuse
// to link with each other.
func (w *Whisper) SetLightClient(light bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.light = light
}

// MarkTrustedPeer lets a peer send P2P messages, such as mail, from now on. peer is an
// enode URL, or the public key in hex as in [protocols.Peer]. The peer need not be
// connected yet.
func (w *Whisper) MarkTrustedPeer(peer string) error {
	id, err := peerID(peer)
	if err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.trusted[id] = struct{}{}
	return nil
}

// NewMessageFilter makes a filter, which keeps matching messages for
// [Whisper.GetFilterMessages]. It widens the node's bloom filter for the filter's topics.
// A filter keeps the newest messages, 1024 at most.
func (w *Whisper) NewMessageFilter(c Criteria) (id string, err error) {
	f, err := w.filterOf(c)
	if err != nil {
		return "", err
	}
	id = w.filters.install(f)
	w.askFor(f)
	return id, nil
}

// GetFilterMessages removes and returns the messages that a filter has kept since the last
// call, in the order of their arrival.
func (w *Whisper) GetFilterMessages(id string) ([]*Message, error) { return w.filters.take(id) }

// DeleteMessageFilter removes a filter. The node's bloom filter still includes its topics.
func (w *Whisper) DeleteMessageFilter(id string) error { return w.filters.remove(id) }

// Subscribe returns a channel of messages that match from now on. The channel closes when
// ctx ends. A message that is not received in time is lost and counted, see
// [Whisper.Missed].
func (w *Whisper) Subscribe(ctx context.Context, c Criteria) (<-chan *Message, error) {
	f, err := w.filterOf(c)
	if err != nil {
		return nil, err
	}
	messages := w.filters.subscribe(ctx, f)
	w.askFor(f)
	return messages, nil
}

// askFor widens the node's bloom filter for a filter's topics, if necessary.
func (w *Whisper) askFor(f *filter) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if b := f.bloom(); !w.demand.bloom.Matches(b) {
		w.setBloom(w.demand.bloom.Or(b))
	}
}

// ErrNoPeer is the error for a peer without a link on which the status exchange is complete.
var ErrNoPeer = errors.New("no such peer")

// SendP2P sends an envelope to one peer, which doesn't forward it and doesn't check its
// PoW, expiry or topic. The peer ignores it unless it trusts this node. peer has the form
// described at [Whisper.MarkTrustedPeer]. Errors: [ErrNoPeer], [ErrOversized], those of
// [protocols.Link.Send].
func (w *Whisper) SendP2P(peer string, e *Envelope) error { return w.sendTo(peer, p2pMessageCode, e) }

// RequestHistoricMessages asks a peer that is a mail server for old envelopes, and trusts
// it from now on. The mail server defines the content of the request. The errors are those
// of [Whisper.SendP2P].
func (w *Whisper) RequestHistoricMessages(peer string, request *Envelope) error {
	if err := w.MarkTrustedPeer(peer); err != nil {
		return err
	}
	return w.sendTo(peer, p2pRequestCode, request)
}

func (w *Whisper) sendTo(peer string, code uint64, e *Envelope) error {
	id, err := peerID(peer)
	if err != nil {
		return err
	}
	payload := hexutil.Bytes(e.Encode())
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(payload) > w.demand.maxSize {
		return fmt.Errorf("envelope of %d bytes is %w of %d", len(payload), ErrOversized, w.demand.maxSize)
	}
	for p := range w.peers {
		if p.id == id {
			return p.link.Send(&protocols.RawMessage{Code: code, Payload: payload})
		}
	}
	return fmt.Errorf("%w: %s", ErrNoPeer, peer)
}

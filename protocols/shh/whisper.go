package shh

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/ethereum/go-ethereum/common/hexutil"

	"github.com/troupe-p2p/troupe/protocols"
)

// Whisper is a node's side of the protocol: its keys, its filters, and the envelopes that
// it passes on. Its methods have the names of the old shh_* calls, and are safe from any
// goroutine.
type Whisper struct {
	keyStore
	filters filters
	mail    MailServer
	rate    Rate
	api     *api
	life    context.Context // ends with Close
	end     context.CancelFunc

	mu      sync.Mutex
	demand  demand
	light   bool
	pool    *pool
	peers   map[*peer]struct{}
	trusted map[string]struct{} // IDs as in protocols.Peer
	arrived chan struct{}       // closes when a peer enters; then it is replaced
	expiry  *time.Timer         // runs while the pool holds something
	closed  bool
}

// New makes a node's side of the protocol. It starts nothing; see [Whisper.Spec].
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
	w.life, w.end = context.WithCancel(context.Background())
	w.pool = newPool(cfg.PoolBytes, cfg.PoolEnvelopes, w.unmark)
	return w
}

// Spec describes shh/6 with w at its end. Links of several nodes may end there.
func (w *Whisper) Spec() protocols.Spec {
	return protocols.Spec{
		Name: "shh",
		Versions: []protocols.Version{{
			Number: version, Length: messageCodes, Messages: messages(),
			Handshake: protocols.Exchange(w.ourStatus, w.checkStatus),
		}},
		New:      func() actor.Actor { return &link{w: w} },
		PeerInfo: w.peerInfo,
		NodeInfo: func() any { return w.Info() },
		API:      w.api,
	}
}

// Close drops all envelopes and ends all subscriptions and the work for messages; what is
// posted afterwards is refused with [ErrClosed]. It is called when the node has stopped.
func (w *Whisper) Close() {
	w.end()
	w.filters.close()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = true
	w.pool.empty()
	w.stopExpiry()
}

// Await returns when there is at least one peer, whose status has come.
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

// Version is the protocol's, as the old call told it.
func (w *Whisper) Version() string { return "6.0" }

// Info tells what the pool holds and what the node demands.
func (w *Whisper) Info() Info {
	w.mu.Lock()
	defer w.mu.Unlock()
	return Info{
		Memory: w.pool.bytes, Messages: len(w.pool.held),
		MinPow: w.demand.minPoW, MaxMessageSize: w.demand.maxSize,
	}
}

// Missed counts messages that nobody took out of a filter or subscription in time.
func (w *Whisper) Missed() uint64 { return w.filters.missed.Load() }

// SetMaxMessageSize limits messages of the link and envelopes from now on, in bytes.
func (w *Whisper) SetMaxMessageSize(size int) error {
	if size <= 0 || size > MaxMessageSize {
		return fmt.Errorf("message size of %d: want 1 to %d", size, MaxMessageSize)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.demand.maxSize = size
	return nil
}

// SetMinPoW demands so much PoW from now on, and tells the peers. For ten seconds they
// may go by the former demand.
func (w *Whisper) SetMinPoW(pow float64) error {
	if _, err := powRequirement(pow).value(); err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.demand.remember(time.Now())
	w.demand.minPoW = pow
	w.tellPeers(powRequirement(pow))
	return nil
}

// SetBloomFilter lets envelopes in by this filter from now on, and tells the peers. For ten
// seconds they may go by the former one.
func (w *Whisper) SetBloomFilter(b Bloom) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.setBloom(b)
}

func (w *Whisper) setBloom(b Bloom) {
	w.demand.remember(time.Now())
	w.demand.bloom = b
	w.tellPeers(BloomFilter(b[:]))
}

// SetLightClient makes the node pass on nothing but what is posted on it, or ends that.
// Peers that are there are not told. Two light nodes don't talk to each other.
func (w *Whisper) SetLightClient(light bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.light = light
}

// MarkTrustedPeer lets a peer send P2P messages, such as mail, from now on. It is named by
// an enode URL, or by its public key in hex as [protocols.Peer] has it, and need not be
// there yet.
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

// NewMessageFilter makes a filter, which keeps what it lets through until
// [Whisper.GetFilterMessages]. Envelopes for its topics are asked for from the peers. It
// keeps 1024 messages at most, the newest.
func (w *Whisper) NewMessageFilter(c Criteria) (id string, err error) {
	f, err := w.filterOf(c)
	if err != nil {
		return "", err
	}
	id = w.filters.install(f)
	w.askFor(f)
	return id, nil
}

// GetFilterMessages takes the messages that a filter has kept since the last call, in the
// order in which they came.
func (w *Whisper) GetFilterMessages(id string) ([]*Message, error) { return w.filters.take(id) }

// DeleteMessageFilter ends a filter. The peers are still asked for its topics.
func (w *Whisper) DeleteMessageFilter(id string) error { return w.filters.remove(id) }

// Subscribe gives the messages that match from now on, until ctx ends; then the channel
// closes. What is not taken in time is lost and counted, see [Whisper.Missed].
func (w *Whisper) Subscribe(ctx context.Context, c Criteria) (<-chan *Message, error) {
	f, err := w.filterOf(c)
	if err != nil {
		return nil, err
	}
	messages := w.filters.subscribe(ctx, f)
	w.askFor(f)
	return messages, nil
}

// askFor widens the bloom filter for a filter's topics, if need be.
func (w *Whisper) askFor(f *filter) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if b := f.bloom(); !w.demand.bloom.Matches(b) {
		w.setBloom(w.demand.bloom.Or(b))
	}
}

// ErrNoPeer: there is no link to that peer on which its status has come.
var ErrNoPeer = errors.New("no such peer")

// SendP2P sends an envelope to one peer, which passes it on to nobody and asks for no
// PoW, expiry or topic. It counts only if that peer trusts this node. The peer is named as
// for [Whisper.MarkTrustedPeer]. Errors: [ErrNoPeer], [ErrOversized], those of
// [protocols.Link.Send].
func (w *Whisper) SendP2P(peer string, e *Envelope) error { return w.sendTo(peer, p2pMessageCode, e) }

// RequestHistoricMessages asks a peer that is a mail server for envelopes of the past, and
// trusts it from now on. What the request has inside is between the two. The errors are
// those of [Whisper.SendP2P].
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

package blobs

import (
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
)

const (
	// Probability is that of being a provider of a transaction (EIP-8070).
	Probability = 0.15
	// minProviders is how many peers must have all columns before a sampler asks for its own.
	minProviders = 2
	// providerWait is how long a sampler waits for the second provider.
	providerWait = 2 * time.Second
	// AnswerTime is how long a peer has to answer.
	AnswerTime = 5 * time.Second
	// maxPause is how long a peer that does not answer is left alone at most.
	maxPause = 5 * time.Minute
	// lifetime is how long a transaction may take to be whole.
	lifetime = 2 * time.Minute
	// maxCells is how many cells a request is for at most. Peers answer with as many, see package serve.
	maxCells = 1024
	// MaxAnnounced is the number of type-3 transactions that a peer has announced and that are not
	// whole, and maxAnnounced that of all peers.
	MaxAnnounced, maxAnnounced = 1024, 16384
)

// The defaults of a Config.
const (
	DefaultBytes = 32 << 20
	DefaultShare = 4 << 20
)

// Config configures a Fetcher. The zero value of each field has a meaning.
type Config struct {
	// Custody has the columns that a sampler fetches. With 64 or more the node is a provider of all
	// transactions. Without any it is, too: there is nothing to sample.
	Custody types.CustodyBitmap
	// Has reports whether a transaction is there already, or not wanted. Nil: none is.
	Has func(common.Hash) bool
	// Bytes bounds what stands in the buffer and what is asked for, and Share what of it is of one peer.
	// Zero: DefaultBytes, DefaultShare.
	Bytes, Share int
	// Random returns numbers from 0 to 1. Nil: those of math/rand.
	Random func() float64
}

// Request asks a peer. The caller gives it back with the answer, or without.
type Request[P comparable] struct {
	Peer P
	Ask
	// Body says that the request is a GetPooledTransactions, for one transaction, in place of a GetCells.
	Body bool

	of    *Fetcher[P]
	peer  *peer[P]
	sent  time.Time
	bytes int        // reserved
	items []*item[P] // of Hashes
	done  bool
}

// Fault is why a peer's link should end.
type Fault[P comparable] struct {
	Peer P
	Err  error
}

// Whole is a transaction that is whole and verified.
type Whole[P comparable] struct {
	// Tx has a sidecar without blobs.
	Tx     *types.Transaction
	Sender common.Address
	Cells  *Cells
	// Peer has sent the body.
	Peer P
	// Others have announced the transaction.
	Others []P
}

// Actions are what a caller has to do.
type Actions[P comparable] struct {
	Requests []*Request[P]
	// Jobs are to be run outside actors, and given back by Checked.
	Jobs   []*Job[P]
	Whole  []Whole[P]
	Faults []Fault[P] // at most one for a peer
	// Wake is when to call Tick, unless another method is called before. Zero: no need to.
	Wake time.Time
}

// Fetcher keeps track of type-3 transactions until they are whole. Its methods must be called from one
// goroutine at a time.
type Fetcher[P comparable] struct {
	cfg       Config
	peers     map[P]*peer[P]
	turns     []*peer[P] // all peers; the first is asked first, and they rotate
	items     map[common.Hash]*item[P]
	ages      []*item[P] // the oldest first, with some that are gone
	waiting   []*item[P] // of samplers, by due, with some that no longer wait
	holders   map[*peer[P]]struct{}
	announced int
	used      int // bytes, reserved ones included
	seq       uint64
	counters  Counters
}

// New returns a Fetcher without peers.
func New[P comparable](cfg Config) *Fetcher[P] {
	if cfg.Has == nil {
		cfg.Has = func(common.Hash) bool { return false }
	}
	if cfg.Random == nil {
		cfg.Random = rand.Float64
	}
	if cfg.Bytes <= 0 {
		cfg.Bytes = DefaultBytes
	}
	if cfg.Share <= 0 {
		cfg.Share = min(DefaultShare, cfg.Bytes)
	}
	return &Fetcher[P]{cfg: cfg, peers: map[P]*peer[P]{}, items: map[common.Hash]*item[P]{}, holders: map[*peer[P]]struct{}{}}
}

// Joined adds a peer. Messages of others are ignored.
func (f *Fetcher[P]) Joined(id P) {
	if _, ok := f.peers[id]; ok {
		return
	}
	p := &peer[P]{id: id, held: map[*item[P]]int{}}
	f.peers[id] = p
	f.turns = append(f.turns, p)
}

// Peers returns the peers that have joined and not left.
func (f *Fetcher[P]) Peers() (list []P) {
	for _, p := range f.turns {
		list = append(list, p.id)
	}
	return list
}

// Left removes a peer. What it was asked for, others are; what it has sent stays.
func (f *Fetcher[P]) Left(now time.Time, id P) Actions[P] {
	var a Actions[P]
	if p, ok := f.peers[id]; ok {
		f.remove(&a, p)
	}
	return f.actions(now, a)
}

func (f *Fetcher[P]) remove(a *Actions[P], p *peer[P]) {
	delete(f.peers, p.id)
	f.turns = slices.DeleteFunc(f.turns, func(other *peer[P]) bool { return other == p })
	p.faulty = true // asked no more
	if p.request != nil {
		f.end(a, p.request, false)
	}
	f.unresolved(a, p)
	for _, o := range slices.Clone(p.queue) {
		f.withdraw(o)
	}
}

// Announced notes transactions that a peer announces, and of which it has the columns of a mask. What is beyond its bound is
// forgotten.
func (f *Fetcher[P]) Announced(now time.Time, id P, hashes iter.Seq[common.Hash], mask types.CustodyBitmap) Actions[P] {
	var a Actions[P]
	p, ok := f.peers[id]
	if !ok || p.faulty || mask == (types.CustodyBitmap{}) {
		return f.actions(now, a)
	}
	for hash := range hashes {
		if p.announced >= MaxAnnounced || f.announced >= maxAnnounced && !f.forgetOther(p) {
			f.counters.Dropped++
			break
		}
		if !f.cfg.Has(hash) {
			f.offer(now, p, hash, mask)
		}
	}
	return f.actions(now, a)
}

// forgetOther makes room for an announcement: the peer with the most loses its oldest, unless that is
// the peer itself.
func (f *Fetcher[P]) forgetOther(p *peer[P]) bool {
	most := slices.MaxFunc(f.turns, func(a, b *peer[P]) int { return a.announced - b.announced })
	if most.announced <= p.announced+1 {
		return false
	}
	for _, o := range most.queue {
		if !o.gone {
			f.withdraw(o)
			f.counters.Dropped++
			return true
		}
	}
	return false
}

// Body handles a type-3 transaction that a peer has sent without blobs, and whose signature has been
// checked. The first body counts.
func (f *Fetcher[P]) Body(now time.Time, id P, tx *types.Transaction, sender common.Address) Actions[P] {
	var a Actions[P]
	p, ok := f.peers[id]
	if !ok || p.faulty || f.cfg.Has(tx.Hash()) {
		return f.actions(now, a)
	}
	if err := CheckBody(tx); err != nil {
		f.fault(&a, p, fmt.Errorf("transaction %v: %w", tx.Hash(), err))
		return f.actions(now, a)
	}
	it := f.track(now, tx.Hash())
	it.sender = sender
	if it.body == nil {
		f.install(&a, it, &body[P]{tx: tx, peer: p})
	}
	return f.actions(now, a)
}

// WithBlobs handles a type-3 transaction that a peer has sent with its blobs, as eth/68 to 71 have it, and whose
// signature has been checked.
func (f *Fetcher[P]) WithBlobs(now time.Time, id P, tx *types.Transaction, sender common.Address) Actions[P] {
	var a Actions[P]
	p, ok := f.peers[id]
	if !ok || p.faulty || f.cfg.Has(tx.Hash()) {
		return f.actions(now, a)
	}
	if err := checkSidecar(tx, len(tx.BlobHashes())); err != nil {
		f.fault(&a, p, fmt.Errorf("transaction %v: %w", tx.Hash(), err))
		return f.actions(now, a)
	}
	it := f.track(now, tx.Hash())
	it.sender = sender
	if it.elide != nil {
		return f.actions(now, a)
	}
	size := int(tx.Size()) + len(tx.BlobHashes())*Columns*cellSize // with the cells that are made of it
	if !f.hold(p, it, size) {
		f.counters.Refused++
		f.forgetIfEmpty(it)
		return f.actions(now, a)
	}
	it.elide = &Job[P]{of: f, kind: elide, item: it, body: &body[P]{tx: tx, peer: p, size: size}}
	a.Jobs = append(a.Jobs, it.elide)
	return f.actions(now, a)
}

// Known notes peers that have announced a transaction that is there, but none of its cells, such as those of
// eth/71 and older.
func (f *Fetcher[P]) Known(hash common.Hash, peers []P) {
	it, ok := f.items[hash]
	if !ok {
		return
	}
	for _, p := range peers {
		if !slices.Contains(it.others, p) {
			it.others = append(it.others, p)
		}
	}
}

// Has reports whether the body of a transaction is there, so that it need not be asked for.
func (f *Fetcher[P]) Has(hash common.Hash) bool {
	it, ok := f.items[hash]
	return ok && (it.body != nil || it.elide != nil)
}

// Forget drops transactions that are no longer of interest, such as those of a block.
func (f *Fetcher[P]) Forget(now time.Time, hashes []common.Hash) Actions[P] {
	for _, hash := range hashes {
		if it, ok := f.items[hash]; ok {
			f.drop(it, &f.counters.Forgotten)
		}
	}
	return f.actions(now, Actions[P]{})
}

// fault notes that a peer's link should end. The peer is asked no more.
func (f *Fetcher[P]) fault(a *Actions[P], p *peer[P], err error) {
	if f.peers[p.id] != p || slices.ContainsFunc(a.Faults, func(other Fault[P]) bool { return other.Peer == p.id }) {
		return // it has left
	}
	a.Faults = append(a.Faults, Fault[P]{p.id, err})
	f.counters.Faults++
	f.remove(a, p)
}

// Counters only grow. They count transactions unless said otherwise.
type Counters struct {
	Provided, Sampled   uint64 // whole, by role
	Requests, TimedOut  uint64 // messages
	Expired, Evicted    uint64 // not whole within their time, or dropped for want of room
	Refused, Forgotten  uint64 // bodies without room; dropped by Forget
	Dropped             uint64 // announcements without room; of a message at most one is counted
	Cells, Faults       uint64 // cells that were delivered; peers at fault
	Disputed, Recovered uint64 // deliveries that did not fit a body of another peer; recoveries of cells
}

// Snapshot is what a Fetcher has at one time.
type Snapshot struct {
	Tracked, Announcements int
	// Bytes is what stands in the buffer, and what is asked for.
	Bytes int
	Counters
}

// State returns a snapshot.
func (f *Fetcher[P]) State() Snapshot {
	return Snapshot{Tracked: len(f.items), Announcements: f.announced, Bytes: f.used, Counters: f.counters}
}

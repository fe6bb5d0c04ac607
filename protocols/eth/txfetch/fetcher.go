package txfetch

import (
	"iter"
	"slices"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"

	"github.com/troupe-p2p/troupe/protocols/eth/announce"
	"github.com/troupe-p2p/troupe/protocols/eth/hashset"
)

// The limits are those of go-ethereum v1.17.10.
const (
	// MaxAnnounced is the number of transactions that a peer has announced and that have not come.
	MaxAnnounced = 4096
	// pushWait is how long an announced transaction waits to be pushed.
	pushWait = 500 * time.Millisecond
	// gather is how much earlier a transaction is asked for, if others are asked for anyway.
	gather = 100 * time.Millisecond
	// maxHashes and maxBytes bound what is asked for at once. The bytes are announced ones.
	maxHashes, maxBytes = 256, 128 << 10
	// answerTime is how long a peer has to answer.
	answerTime = 5 * time.Second
	// sizeTolerance is by how many bytes an announced size may be off.
	sizeTolerance = 8
	// maxSize is the size of transactions without blobs in bytes beyond which none is wanted.
	maxSize = 128 << 10
)

const (
	// minAnnounced is what a peer may always have announced.
	minAnnounced = 16
	// trimAfter is after how many requests without an answer a peer loses announcements.
	trimAfter = 3
	// maxPause is how long a peer that does not answer is left alone at most.
	maxPause = 5 * time.Minute
	// refusedTime is how long a refused transaction is not asked for, at least.
	refusedTime = 5 * time.Minute
)

// Config says what is wanted.
type Config struct {
	// Has reports whether a transaction is there already. Nil: none is.
	Has func(common.Hash) bool
	// Accepts reports whether transactions of a type are wanted. Nil: all that eth knows.
	Accepts func(kind byte) bool
}

// Request asks a peer for transactions. The caller gives it back with the answer.
type Request[P comparable] struct {
	Peer   P
	Hashes []common.Hash // in the order in which the peer has announced them

	peer *peer[P]
	sent time.Time
	late bool // the peer had no time left
	done bool
}

// Fault is why a peer's link should end.
type Fault[P comparable] struct {
	Peer P
	Err  error
}

// Arrival says which peers have announced a transaction that has come, except the one that has delivered it.
type Arrival[P comparable] struct {
	Hash  common.Hash
	Peers []P
}

// Actions are what a caller has to do.
type Actions[P comparable] struct {
	Requests []*Request[P]
	Faults   []Fault[P] // at most one for a peer
	Arrivals []Arrival[P]
	// Wake is when to call Tick, unless another method is called before. Zero: no need to.
	Wake time.Time
}

// stage is where a transaction is on its way.
type stage uint8

const (
	waiting  stage = iota // for a push
	queued                // for a peer that may be asked
	fetching              // asked for
	gone
)

// tracked is a transaction that was announced and has not come.
type tracked[P comparable] struct {
	hash          common.Hash
	stage         stage
	due           time.Time // end of waiting
	request       *Request[P]
	announcements []*announcement[P] // the earliest first
}

// announcement is what a peer has said of a transaction.
type announcement[P comparable] struct {
	peer *peer[P]
	tx   *tracked[P]
	kind byte
	size uint32
	gone bool
}

// peer is a peer that may announce.
type peer[P comparable] struct {
	id        P
	version   uint
	queue     []*announcement[P] // in order of arrival, with some that are gone
	announced int                // that are not gone
	available int                // of these, with the transaction queued
	limit     int                // for announced
	request   *Request[P]
	silent    int       // requests without answer since the last one that had an answer
	resume    time.Time // not to be asked before
	faulty    bool
}

// Fetcher keeps track of announced transactions.
type Fetcher[P comparable] struct {
	cfg      Config
	peers    map[P]*peer[P]
	turns    []*peer[P] // all peers; the first is asked first, and they rotate
	txs      map[common.Hash]*tracked[P]
	waiting  []*tracked[P] // by due, with some that no longer wait
	refused  [2]*hashset.Set
	rotated  time.Time // when refused[0] began
	counters Counters
}

// New returns a Fetcher without peers.
func New[P comparable](cfg Config) *Fetcher[P] {
	if cfg.Has == nil {
		cfg.Has = func(common.Hash) bool { return false }
	}
	if cfg.Accepts == nil {
		cfg.Accepts = func(kind byte) bool { return kind <= types.SetCodeTxType }
	}
	f := &Fetcher[P]{cfg: cfg, peers: map[P]*peer[P]{}, txs: map[common.Hash]*tracked[P]{}}
	for i := range f.refused {
		f.refused[i] = hashset.New(hashset.Limit)
	}
	return f
}

// Joined adds a peer with the version of eth of its link. Messages of others are ignored.
func (f *Fetcher[P]) Joined(id P, version uint) {
	if _, ok := f.peers[id]; ok {
		return
	}
	p := &peer[P]{id: id, version: version, limit: MaxAnnounced}
	f.peers[id] = p
	f.turns = append(f.turns, p)
}

// Left removes a peer. What it was asked for, others are.
func (f *Fetcher[P]) Left(now time.Time, id P) Actions[P] {
	p, ok := f.peers[id]
	if !ok {
		return f.actions(now, Actions[P]{})
	}
	if p.request != nil {
		f.giveBack(p.request, func(int) bool { return true })
	}
	for _, a := range slices.Clone(p.queue) {
		f.withdraw(a)
	}
	delete(f.peers, id)
	f.turns = slices.DeleteFunc(f.turns, func(other *peer[P]) bool { return other == p })
	return f.actions(now, Actions[P]{})
}

// Peers returns the peers that have joined and not left.
func (f *Fetcher[P]) Peers() (list []P) {
	for _, p := range f.turns {
		list = append(list, p.id)
	}
	return list
}

// Announced notes what a peer announces. What is beyond its bound is forgotten.
func (f *Fetcher[P]) Announced(now time.Time, id P, txs iter.Seq[announce.Tx]) Actions[P] {
	p, ok := f.peers[id]
	if !ok {
		return f.actions(now, Actions[P]{})
	}
	f.rotate(now)
	for tx := range txs {
		if p.announced >= p.limit {
			f.counters.Dropped++
			break // a message may have hundreds of thousands more
		}
		if f.wanted(tx) {
			f.track(now, p, tx)
		}
	}
	return f.actions(now, Actions[P]{})
}

func (f *Fetcher[P]) wanted(tx announce.Tx) bool {
	if !f.cfg.Accepts(tx.Type) || tx.Type != types.BlobTxType && tx.Size > maxSize+sizeTolerance {
		return false
	}
	return !f.Refuses(tx.Hash) && !f.cfg.Has(tx.Hash)
}

// track enters an announcement. The first of a peer counts, so that it cannot change what it has
// said.
func (f *Fetcher[P]) track(now time.Time, p *peer[P], tx announce.Tx) {
	t, ok := f.txs[tx.Hash]
	if !ok {
		t = &tracked[P]{hash: tx.Hash, due: now.Add(pushWait)}
		f.txs[tx.Hash] = t
		if tx.Type == types.BlobTxType {
			t.stage = queued
		} else {
			f.waiting = append(f.waiting, t)
			f.tidy()
		}
	} else if slices.ContainsFunc(t.announcements, func(a *announcement[P]) bool { return a.peer == p }) {
		return
	}
	a := &announcement[P]{peer: p, tx: t, kind: tx.Type, size: tx.Size}
	t.announcements = append(t.announcements, a)
	p.queue = append(p.queue, a)
	p.announced++
	if t.stage == queued {
		p.available++
	}
}

// withdraw removes an announcement, and the transaction with its last one.
func (f *Fetcher[P]) withdraw(a *announcement[P]) {
	if a.gone {
		return
	}
	a.gone = true
	a.peer.announced--
	if a.tx.stage == queued {
		a.peer.available--
	}
	a.peer.tidy()
	t := a.tx
	t.announcements = slices.DeleteFunc(t.announcements, func(other *announcement[P]) bool { return other == a })
	if len(t.announcements) == 0 && t.stage != gone {
		f.setStage(t, gone)
		delete(f.txs, t.hash)
	}
}

// forget removes a transaction.
func (f *Fetcher[P]) forget(t *tracked[P]) {
	for _, a := range slices.Clone(t.announcements) {
		f.withdraw(a)
	}
}

func (f *Fetcher[P]) setStage(t *tracked[P], to stage) {
	for _, a := range t.announcements {
		if t.stage == queued {
			a.peer.available--
		}
		if to == queued {
			a.peer.available++
		}
	}
	t.stage = to
}

// tidy drops announcements that are gone from the queue, once they are most of it.
func (p *peer[P]) tidy() {
	if len(p.queue) > 64+2*p.announced {
		queue := make([]*announcement[P], 0, 32+p.announced)
		for _, a := range p.queue {
			if !a.gone {
				queue = append(queue, a)
			}
		}
		p.queue = queue
	}
}

// tidy drops transactions that no longer wait from the list of those that do, once they are most of it.
func (f *Fetcher[P]) tidy() {
	if len(f.waiting) > 64+2*len(f.txs) {
		f.waiting = slices.DeleteFunc(f.waiting, func(t *tracked[P]) bool { return t.stage != waiting })
	}
}

// Refused notes that a transaction is not wanted, because the pool refuses it or a block has it: it is
// not asked for again for some minutes. The Fetcher remembers some ten thousand.
func (f *Fetcher[P]) Refused(now time.Time, hash common.Hash) {
	f.rotate(now)
	if f.refused[0].Len() == hashset.Limit {
		f.rotated = now.Add(-refusedTime)
		f.rotate(now)
	}
	f.refused[0].Add(hash)
}

// Refuses reports whether a transaction is not asked for because of Refused.
func (f *Fetcher[P]) Refuses(hash common.Hash) bool {
	return f.refused[0].Has(hash) || f.refused[1].Has(hash)
}

// rotate forgets what was refused long ago.
func (f *Fetcher[P]) rotate(now time.Time) {
	age := now.Sub(f.rotated)
	if age < refusedTime {
		return
	}
	f.refused[1], f.refused[0] = f.refused[0], hashset.New(hashset.Limit)
	if age >= 2*refusedTime {
		f.refused[1] = hashset.New(hashset.Limit)
	}
	f.rotated = now
}

// Forget drops transactions that are no longer of interest, such as those of a block.
func (f *Fetcher[P]) Forget(now time.Time, hashes []common.Hash) Actions[P] {
	for _, hash := range hashes {
		if t, ok := f.txs[hash]; ok {
			f.forget(t)
		}
	}
	return f.actions(now, Actions[P]{})
}

// Counters only grow.
type Counters struct {
	Requests, Requested, Delivered uint64 // messages, and transactions
	Unavailable                    uint64 // asked for in vain
	TimedOut                       uint64 // requests
	Dropped                        uint64 // messages of which a part was beyond the bound of the peer
}

// Snapshot is what a Fetcher has at one time.
type Snapshot struct {
	Tracked       int // transactions
	Announcements int
	Counters
}

// State returns a snapshot.
func (f *Fetcher[P]) State() Snapshot {
	s := Snapshot{Tracked: len(f.txs), Counters: f.counters}
	for _, p := range f.turns {
		s.Announcements += p.announced
	}
	return s
}

package ask

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/troupe-p2p/troupe/protocols/eth/chain"
)

// Config bounds a Scheduler. The zero value of each field stands for its default.
type Config struct {
	InFlight int           // requests at once; an answer has up to 10 MiB. Default: 16
	PerPeer  int           // requests at once to a peer, at most one of a kind. Default: 2
	Wants    int           // at once. Default: 256
	Queue    int           // blocks of all wants; a query counts as one. Default: 16384
	Patience time.Duration // after which what is missing is given up. Default: 5 minutes
}

// checking is how long the caller may check an answer. After that its blocks are asked for again.
const checking = time.Minute

// look is how often peers are looked at again while something is wanted that none can be asked for.
const look = time.Second

// Scheduler decides which peer is asked for what.
type Scheduler struct {
	cfg      Config
	peers    []*peer // in the order in which they came
	askers   []*asker
	jobs     []*job
	requests []*request // in the order of their IDs
	lastID   uint64
	lastWant WantID
	queued   int // items of all jobs
}

// asker is one that wants something.
type asker struct {
	name  string
	spent time.Duration // of peers' time
}

// request is a request that was sent.
type request struct {
	Request
	peer    *peer
	job     *job
	indices []int // of the job's items
	sent    time.Time
	until   time.Time
	arrived bool          // the answer is being checked
	took    time.Duration // of all answers to it
}

// New returns a Scheduler without peers and wants.
func New(cfg Config) *Scheduler {
	cfg.InFlight = cmp.Or(cfg.InFlight, 16)
	cfg.PerPeer = cmp.Or(cfg.PerPeer, 2)
	cfg.Wants = cmp.Or(cfg.Wants, 256)
	cfg.Queue = cmp.Or(cfg.Queue, 16384)
	cfg.Patience = cmp.Or(cfg.Patience, 5*time.Minute)
	return &Scheduler{cfg: cfg}
}

// Join adds a peer. One with the same ID leaves before.
func (s *Scheduler) Join(now time.Time, p Peer) []Action {
	s.remove(p.ID)
	s.peers = append(s.peers, newPeer(p))
	return s.next(now, nil)
}

// SetRange says what a peer serves from now on.
func (s *Scheduler) SetRange(now time.Time, id enode.ID, r chain.Range) []Action {
	if p := s.peer(id); p != nil {
		p.Range = &r
	}
	return s.next(now, nil)
}

// Leave removes a peer. What it was asked for is asked of others.
func (s *Scheduler) Leave(now time.Time, id enode.ID) []Action {
	s.remove(id)
	return s.next(now, nil)
}

// Add takes a want. An error is ErrWant, ErrFull, or ErrNoPeer for one peer that is not there.
func (s *Scheduler) Add(now time.Time, w Want) (WantID, []Action, error) {
	if err := w.check(); err != nil {
		return 0, nil, err
	}
	if n := max(1, len(w.Blocks)); s.queued+n > s.cfg.Queue {
		return 0, nil, fmt.Errorf("%w: %d and %d more, at most %d", ErrFull, s.queued, n, s.cfg.Queue)
	}
	if len(s.jobs) >= s.cfg.Wants {
		return 0, nil, fmt.Errorf("%w: %d wants", ErrFull, len(s.jobs))
	}
	if w.Only != nil && s.peer(*w.Only) == nil {
		return 0, nil, ErrNoPeer
	}
	if w.Deadline.IsZero() {
		w.Deadline = now.Add(s.cfg.Patience)
	}
	w.Blocks = slices.Clone(w.Blocks)
	s.lastWant++
	j := newJob(s.lastWant, s.asker(w.Asker), w)
	s.jobs = append(s.jobs, j)
	s.queued += len(j.items)
	return j.id, s.next(now, nil), nil
}

// Cancel ends a want without Finished. An answer that is on its way is ignored.
func (s *Scheduler) Cancel(now time.Time, id WantID) []Action {
	for _, j := range s.jobs {
		if j.id == id {
			s.end(j)
			return s.next(now, nil)
		}
	}
	return nil
}

// Next returns when Tick is to be called; ok is false if there is no need.
func (s *Scheduler) Next(now time.Time) (at time.Time, ok bool) {
	soonest := func(t time.Time) {
		if !ok || t.Before(at) {
			at, ok = t, true
		}
	}
	for _, r := range s.requests {
		soonest(r.until)
	}
	for _, j := range s.jobs {
		soonest(j.Deadline)
		if len(j.pending) > 0 && len(s.peers) > 0 {
			soonest(now.Add(look)) // at a peer that rests, or lacked something
		}
	}
	return at, ok
}

// Estimate returns what was learnt of a peer: its latency, and how many items of a kind it
// delivers in a second. Zeros: nothing yet.
func (s *Scheduler) Estimate(id enode.ID, k Kind) (latency time.Duration, rate float64) {
	if p := s.peer(id); p != nil {
		return p.latency, p.estimates[k].rate
	}
	return 0, 0
}

func (s *Scheduler) peer(id enode.ID) *peer {
	for _, p := range s.peers {
		if p.ID == id {
			return p
		}
	}
	return nil
}

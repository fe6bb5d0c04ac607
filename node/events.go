package node

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/troupe-p2p/troupe/actors"
	"github.com/troupe-p2p/troupe/actors/supervise"
	"github.com/troupe-p2p/troupe/node/punch"
)

// EventKind says what an [Event] is about.
type EventKind uint8

// The kinds of event.
const (
	// PeerAdded: a link is up. Peer describes the remote.
	PeerAdded EventKind = iota + 1
	// PeerDropped: a link has ended, for Cause.
	PeerDropped
	// SetupFailed: a connection did not become a link; Err is the reason. Peer has the
	// address and the direction, and the ID if the remote sent it before the failure.
	SetupFailed
	// Lifecycle: an actor of the node has started, failed, been restarted, …; see Step.
	Lifecycle
	// RecordChanged: the node's address or another entry of its record has changed; see Record.
	RecordChanged
	// ReachabilityChanged: the node's classification of its NAT has changed, or the endpoint
	// that neighbours observe; see HolePunching.
	ReachabilityChanged
)

func (k EventKind) String() string {
	switch k {
	case PeerAdded:
		return "peer added"
	case PeerDropped:
		return "peer dropped"
	case SetupFailed:
		return "setup failed"
	case Lifecycle:
		return "lifecycle"
	case RecordChanged:
		return "record changed"
	case ReachabilityChanged:
		return "reachability changed"
	}
	return "unknown"
}

// Cause is why a link ended: which side ended it, for which reason, in which protocol.
type Cause = actors.Cause

// Step is one lifecycle step of an actor, as it is logged.
type Step = supervise.Step

// Event is something that happened in a node.
type Event struct {
	Kind  EventKind
	Time  time.Time
	Peer  PeerInfo // of PeerAdded, PeerDropped, SetupFailed
	Cause *Cause   // of PeerDropped
	Err   error    // of SetupFailed; it wraps errors of this package and of wire
	Step  Step     // of Lifecycle

	Record       *enode.Node // of RecordChanged
	HolePunching punch.State // of ReachabilityChanged

	// Missed is how many events right before this one were dropped because the
	// subscriber was too slow.
	Missed uint64
}

// eventBuffer is how many events may wait for a subscriber.
const eventBuffer = 512

// hub passes events to subscribers. It never waits for a subscriber. Without subscribers, an
// event costs one atomic load.
type hub struct {
	active atomic.Int32
	mu     sync.Mutex
	closed bool
	subs   map[*subscription]struct{}
}

type subscription struct {
	ch     chan Event
	missed uint64
	stop   func() bool // ends the watch over the subscriber's context
}

func (h *hub) subscribe(ctx context.Context) <-chan Event {
	s := &subscription{ch: make(chan Event, eventBuffer)}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		close(s.ch)
		return s.ch
	}
	if h.subs == nil {
		h.subs = map[*subscription]struct{}{}
	}
	h.subs[s] = struct{}{}
	h.active.Add(1)
	s.stop = context.AfterFunc(ctx, func() { h.end(s) })
	return s.ch
}

func (h *hub) end(s *subscription) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if _, ok := h.subs[s]; ok {
		delete(h.subs, s)
		h.active.Add(-1)
		close(s.ch)
	}
}

// listened reports whether there is a subscriber. Without one, events need not be made.
func (h *hub) listened() bool { return h.active.Load() > 0 }

func (h *hub) publish(e Event) {
	if !h.listened() {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for s := range h.subs {
		e.Missed = s.missed
		select {
		case s.ch <- e:
			s.missed = 0
		default:
			s.missed++
		}
	}
}

// close ends all subscriptions. Later subscriptions end at once.
func (h *hub) close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
	for s := range h.subs {
		s.stop()
		close(s.ch)
	}
	clear(h.subs)
	h.active.Store(0)
}

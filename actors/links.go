package actors

import (
	"sync"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/troupe-p2p/troupe/actors/supervise"
)

// Common is what the links of one node have in common.
type Common struct {
	System  *actor.ActorSystem
	Pool    *Pool              // the node's inbound memory; nil: DefaultPool bytes
	Journal *supervise.Journal // nil drops
	Clock   supervise.Clock    // nil: SystemClock
	Watch   *supervise.Watch   // nil: stalls of this node are not noticed
	Feed    *Feed              // nil: no message events

	Dispatcher actor.Dispatcher // runs the links' actors; nil: protoactor's default

	// Standing reports whether a remote is a static or trusted node, by its node key. Nil: none is.
	// Any goroutine may call it, at any time.
	Standing func(remote [64]byte) (static, trusted bool)
}

// Links starts the links of one node. Its methods are safe from any goroutine.
type Links struct {
	common
	peers, children *actor.Props // one for each link would cost 250 bytes of it

	spawn    sync.Mutex // held while a peer is spawned
	spawning *stage     // of that peer's link

	mu     sync.Mutex
	newest *stage // the first of those of all links
}

// common is the part of Links that every link uses. No writer can be reached from it (T2).
type common struct {
	root    *actor.RootContext
	clock   supervise.Clock
	watch   *supervise.Watch
	journal *supervise.Journal
	pool    *Pool
	feed    *Feed

	standing func(remote [64]byte) (static, trusted bool) // nil: no remote is
}

// NewLinks makes a Links without links.
func NewLinks(c Common) *Links {
	if c.Clock == nil {
		c.Clock = supervise.SystemClock
	}
	if c.Pool == nil {
		c.Pool = NewPool(DefaultPool)
	}
	ls := &Links{common: common{
		root: c.System.Root, clock: c.Clock, watch: c.Watch, journal: c.Journal, pool: c.Pool, feed: c.Feed,
		standing: c.Standing,
	}}
	opts := []actor.PropsOption{actor.WithMailbox(supervise.NewMailbox)}
	if c.Dispatcher != nil {
		opts = append(opts, actor.WithDispatcher(c.Dispatcher))
	}
	produce := func() actor.Actor { return &role{links: ls} }
	ls.children = actor.PropsFromProducer(produce, opts...)
	ls.peers = actor.PropsFromProducer(produce, append(opts, actor.WithOnInit(ls.begin))...)
	return ls
}

// Spawn starts a link as a child of parent. parent is the owner: it receives exactly one
// *LinkEnded when the socket is closed, and *actor.Terminated for the link's PID later, when all
// actors are gone. The caller must already have refused a remote with which no protocol is
// shared; see [Match].
func (ls *Links) Spawn(parent actor.SpawnerContext, cfg Config) (*Link, error) {
	s := newStage(ls, parent.Self(), cfg)
	name := cfg.Name + ls.root.ActorSystem().ProcessRegistry.NextId()
	ls.spawn.Lock()
	defer ls.spawn.Unlock()
	ls.spawning = s
	_, err := parent.SpawnNamed(ls.peers, name)
	ls.spawning = nil
	if err != nil {
		return nil, err
	}
	return &s.link, nil
}

// begin is called when a peer has its PID and does not run yet: no user of the link sees it without
// its PID. It puts the link's stage before the others. Spawn holds its lock.
func (ls *Links) begin(peer actor.Context) {
	s := ls.spawning
	s.link.pid = peer.Self()
	ls.mu.Lock()
	defer ls.mu.Unlock()
	if s.next = ls.newest; s.next != nil {
		s.next.previous = s
	}
	ls.newest = s
}

// remove takes out the stage of a link whose actors are gone.
func (ls *Links) remove(s *stage) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	if s.next != nil {
		s.next.previous = s.previous
	}
	if s.previous != nil {
		s.previous.next = s.next
	} else {
		ls.newest = s.next
	}
	s.next, s.previous = nil, nil
}

// find returns the stage of the link whose peer has one of these PIDs. An actor looks for it when
// it starts, so that the link is one of the newest, and when it is restarted, which is rare.
func (ls *Links) find(self, parent *actor.PID) *stage {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	for s := ls.newest; s != nil; s = s.next {
		if s.link.pid == self || s.link.pid == parent {
			return s
		}
	}
	return nil
}

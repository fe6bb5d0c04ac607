package discovery

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/troupe-p2p/troupe/actors/supervise"
)

const (
	// leaveTime is how long the actor waits for the library's goroutines after Leave.
	leaveTime = 3 * time.Second
	// maxResolving is how many searches for Resolve run at the same time. maxResolveQueue is how
	// many more may wait.
	maxResolving    = 8
	maxResolveQueue = 256
	// lookAgainEvery is the interval of lookups of bootnode names that could not be resolved.
	lookAgainEvery = 30 * time.Second
)

// shared survives restarts of the actor.
type shared struct {
	Config
	mux     *mux
	lists   lists
	filter  *filter
	ledger  ledger
	tallies map[string]*tally
	waiting []*Resolve              // searches that wait for their turn
	missing map[string]bool         // reports about bootnodes that were already logged
	alive   sync.WaitGroup          // goroutines and sessions of all incarnations
	talking atomic.Int32            // TALKREQs being answered
	wanted  atomic.Int64            // candidates that are requested and not yet found
	current atomic.Pointer[session] // the open session; nil: none
	leaving bool
}

func newShared(c Config) *shared {
	h := &shared{Config: c, mux: newMux(c), filter: newFilter(c), tallies: map[string]*tally{}, missing: map[string]bool{}}
	h.lists.inner = c.Resolver
	for name, on := range map[string]bool{SourceV4: c.V4, SourceV5: c.V5, SourceDNS: len(c.DNS) > 0} {
		if on {
			h.tallies[name] = new(tally)
		}
	}
	return h
}

// finder is the actor. It opens a session, searches its sources for nodes while candidates are
// requested, and delivers those that pass the filter.
type finder struct {
	*shared
	root      *actor.RootContext
	self      *actor.PID
	session   *session
	up        bool // the session is open
	mix       mix
	resolving int
	again     supervise.Timer // looks up missing bootnodes again; nil: none is missing
	rested    supervise.Timer // ends the rest of a source; nil: no source rests
	refill    supervise.Timer // checks for empty tables; nil: the session is not open
	overdue   supervise.Timer // ends the wait for goroutines after Leave
}

func (a *finder) Receive(ctx actor.Context) {
	if a.leaving {
		a.depart(ctx)
		return
	}
	switch msg := ctx.Message().(type) {
	case *actor.Started:
		a.start(ctx)
	case *actor.Restarting:
		a.end()
	case *actor.Stopping:
		a.end()
		a.closeSockets()
	case *opened:
		a.opened(msg)
	case *reopen:
		a.reopen(msg)
	case *refill:
		a.refillTables(msg)
	case *refilled:
		a.refilled(msg)
	case *Request:
		if a.ledger.ask(msg.To, msg.N) {
			ctx.Watch(msg.To)
		}
	case *actor.Terminated:
		a.ledger.forget(msg.Who)
	case *yielded:
		a.yielded(msg)
	case *learned:
		a.learned(msg)
	case *exhausted:
		if msg.session == a.session {
			panic(fmt.Errorf("discovery: source %s ended unexpectedly", msg.lane.name))
		}
	case *Resolve:
		a.enqueue(msg)
	case *resolved:
		a.answer(msg)
	case *reached:
		if a.Inbound != nil {
			a.Inbound(msg.from)
		}
	case *socketFailed:
		a.reportSocket(msg)
	case *listFailed:
		a.Logger.Warn("reading a DNS node list failed", "domain", msg.domain, "err", msg.err)
	case *Leave:
		a.leave(ctx)
		return
	}
	a.proceed()
}

// start starts the mux and opens a session.
func (a *finder) start(ctx actor.Context) {
	a.root, a.self = ctx.ActorSystem().Root, ctx.Self()
	if a.lists.send == nil {
		a.lists.send = a.send
	}
	for _, owed := range a.ledger.accounts {
		ctx.Watch(owed.to)
	}
	a.mux.start(a.spawn, a.send)
	a.open()
}

// open starts a new session.
func (a *finder) open() {
	var lanes []*lane
	for _, name := range []string{SourceV4, SourceV5, SourceDNS} {
		if t := a.tallies[name]; t != nil {
			lanes = append(lanes, newLane(name, t))
		}
	}
	s := newSession(lanes)
	a.session, a.mix = s, mix{lanes: lanes}
	a.spawn(func() { a.send(s.open(a.shared, a.spawn)) })
}

func (a *finder) send(msg any) { supervise.Send(a.root, a.self, msg) }

// spawn starts a goroutine whose panic counts as a crash of this actor. Leave waits for it.
func (a *finder) spawn(f func()) {
	a.alive.Add(1)
	supervise.Go(a.root, a.self, func() {
		defer a.alive.Done()
		f()
	})
}

func (a *finder) opened(msg *opened) {
	if msg.session != a.session {
		return // of an earlier incarnation, which closes it when it ends
	}
	if msg.err != nil {
		panic(msg.err)
	}
	a.up = true
	a.current.Store(msg.session)
	a.Line.v5.Store(msg.session.v5)
	for _, why := range msg.missing {
		if text := why.Error(); !a.missing[text] {
			a.missing[text] = true
			a.Logger.Warn("discovery skips a bootnode", "reason", text)
		}
	}
	if msg.lookAgain {
		a.again = a.Clock.AfterFunc(lookAgainEvery, func() { a.send(&reopen{session: msg.session}) })
	}
	a.armRefill()
	for i, l := range msg.session.lanes {
		a.spawn(func() { msg.session.run(l, msg.session.its[i], a.send) })
	}
}

// reopen starts a new session, to look up the missing bootnodes again, if both tables are empty.
func (a *finder) reopen(msg *reopen) {
	if msg.session != a.session {
		return
	}
	s := a.State()
	if known := s.V4 != nil && s.V4.Nodes > 0 || s.V5 != nil && s.V5.Nodes > 0; known {
		return
	}
	a.end()
	a.open()
}

// proceed delivers the candidates that are available, starts searches if more are requested, and
// starts waiting Resolves.
func (a *finder) proceed() {
	defer func() { a.wanted.Store(int64(a.ledger.owed())) }()
	if !a.up {
		return
	}
	for a.ledger.owed() > 0 {
		node, source, ok := a.mix.take(a.Clock.Now())
		if !ok {
			break
		}
		supervise.Send(a.root, a.ledger.pay(), &Candidate{Node: node, Source: source})
	}
	if a.ledger.owed() > 0 {
		a.search()
	}
	for len(a.waiting) > 0 && a.resolving < maxResolving {
		a.resolve(a.waiting[0])
		a.waiting = a.waiting[1:]
	}
}

// search starts a search on every source that has room, and schedules another call for the sources
// that rest.
func (a *finder) search() {
	now, rest := a.Clock.Now(), time.Duration(0)
	for _, l := range a.mix.lanes {
		if r := l.search(now); r > 0 && (rest == 0 || r < rest) {
			rest = r
		}
	}
	if a.rested != nil {
		a.rested.Stop()
	}
	if rest > 0 {
		a.rested = a.Clock.AfterFunc(rest, func() { a.send(&rested{}) })
	}
}

func (a *finder) yielded(msg *yielded) {
	if msg.session != a.session {
		return
	}
	l, n, now := msg.lane, msg.node, a.Clock.Now()
	l.busy = false
	l.tally.found.Add(1)
	switch {
	case !a.filter.precheck(n, now):
		l.repeated(now)
	case a.filter.needsRecord(n):
		l.asking++
		a.spawn(func() {
			a.send(&learned{session: msg.session, lane: l, node: msg.session.record(l, n)})
		})
	default:
		a.keepCandidate(l, n)
	}
}

func (a *finder) learned(msg *learned) {
	if msg.session != a.session {
		return
	}
	msg.lane.asking--
	if msg.node == nil {
		a.filter.refuse(RefusedNoRecord)
		return
	}
	a.keepCandidate(msg.lane, msg.node)
}

func (a *finder) keepCandidate(l *lane, n *enode.Node) {
	if now := a.Clock.Now(); a.filter.pass(n, now) {
		l.keep(n, now)
	}
}

func (a *finder) enqueue(msg *Resolve) {
	if len(a.waiting) >= maxResolveQueue {
		supervise.Send(a.root, msg.To, &Resolved{ID: msg.Node.ID()})
		return
	}
	a.waiting = append(a.waiting, msg)
}

// resolve searches for a node. The answer passes through the actor, even if the search panics.
func (a *finder) resolve(msg *Resolve) {
	a.resolving++
	s := a.session
	a.spawn(func() {
		answer := &Resolved{ID: msg.Node.ID()}
		defer func() { a.send(&resolved{session: s, answer: answer, to: msg.To}) }()
		answer.Node = s.resolve(msg.Node)
	})
}

func (a *finder) answer(msg *resolved) {
	if msg.session == a.session {
		a.resolving--
	}
	supervise.Send(a.root, msg.to, msg.answer)
}

// reportSocket logs a socket error. Only the operator may be able to repair it.
func (a *finder) reportSocket(msg *socketFailed) {
	if msg.final {
		a.Logger.Error("discovery stopped receiving: the UDP socket was closed", "socket", msg.socket)
		return
	}
	a.Logger.Warn("discovery UDP socket error", "socket", msg.socket, "err", msg.err)
}

// end closes the session without waiting for it.
func (a *finder) end() {
	a.up = false
	a.current.Store(nil)
	a.Line.v5.Store(nil)
	for _, t := range []supervise.Timer{a.again, a.rested, a.refill} {
		if t != nil {
			t.Stop()
		}
	}
	if s := a.session; s != nil {
		a.session = nil
		a.spawn(s.close)
	}
}

func (a *finder) closeSockets() {
	if err := a.mux.close(); err != nil {
		a.Logger.Warn("closing the UDP socket failed", "err", err)
	}
}

// leave closes the session and the sockets, and stops the actor when that is done.
func (a *finder) leave(ctx actor.Context) {
	a.shared.leaving = true
	a.end()
	a.closeSockets()
	a.overdue = a.Clock.AfterFunc(leaveTime, func() { a.send(&leaveOverdue{}) })
	supervise.Go(a.root, a.self, func() {
		a.alive.Wait()
		a.send(&left{})
	})
}

// depart handles messages after Leave: it waits for the goroutines to end and stops.
func (a *finder) depart(ctx actor.Context) {
	switch ctx.Message().(type) {
	case *actor.Stopping:
		if a.overdue != nil {
			a.overdue.Stop()
		}
	case *leaveOverdue:
		a.Logger.Warn("discovery did not stop in time", "time", leaveTime)
		ctx.Stop(ctx.Self())
	case *left, *actor.Started: // Started: after a crash
		ctx.Stop(ctx.Self())
	}
}

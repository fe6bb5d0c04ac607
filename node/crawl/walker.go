package crawl

import (
	"encoding/hex"
	"slices"
	"strconv"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/troupe-p2p/troupe/actors/supervise"
	"github.com/troupe-p2p/troupe/node/discovery"
)

const (
	// askedFor is the number of candidates requested from discovery at a time. While enough
	// visits are due, the walker requests no more.
	askedFor = 64
	enough   = 1024
	// maxUnsaved is the number of the archive's unwritten entries at which the walker begins
	// no further visits. Visits in progress may exceed it.
	maxUnsaved = 4096
	// tickTime is the interval at which the walker checks whether the crawl is over.
	tickTime = time.Second
	// sourceRecord is the source of records that the walker has requested from their nodes.
	sourceRecord = "record"
	// sourceBoot is the source of bootnodes, the operator's and the network's.
	sourceBoot = "bootnode"
)

// visitPolicy does not restart a visit: the node is visited again when it is next due.
var visitPolicy = supervise.Policy{Restart: supervise.Temporary}

// walker decides which nodes to visit. Its plan survives a crash. Visits in progress don't;
// they are repeated.
type walker struct {
	*shared
	*supervise.Supervisor
	self   *actor.PID
	root   *actor.RootContext
	owed   int                    // candidates requested and not yet received
	visits map[string]*enode.Node // by their actor's PID
	timer  supervise.Timer
	serial int  // number of the last visit, for its name
	over   bool // quiet has been sent
	ending bool // this incarnation is ending; only the ends of its visits still arrive
}

func (w *walker) Receive(ctx actor.Context) {
	if w.ending || w.Handle(ctx.Message()) {
		return
	}
	switch msg := ctx.Message().(type) {
	case *actor.Started:
		w.start(ctx)
	case *discovery.Candidate:
		w.owed--
		w.found(ctx, msg.Node, msg.Source)
	case *discovery.Resolved:
		if msg.Node != nil {
			w.found(ctx, msg.Node, sourceRecord)
		}
	case *visitDone:
		w.visited(ctx, msg)
	case *actor.Terminated:
		w.visitGone(ctx, msg.Who)
	case *kept: // the archive has room again
	case *tick:
		w.tick(ctx, msg)
	case *actor.Stopping, *actor.Restarting:
		w.end()
		return
	}
	w.proceed(ctx)
}

func (w *walker) start(ctx actor.Context) {
	w.self, w.root = ctx.Self(), ctx.ActorSystem().Root
	w.plan.restore(w.Clock.Now())
	// A restarted walker doesn't know how many candidates are outstanding: cancel them.
	supervise.Send(ctx, w.discovery, &discovery.Request{N: 0, To: w.self})
	w.arm(tickTime)
	for _, n := range slices.Concat(w.Network.Bootnodes, w.Network.BootnodesV5) {
		if n.Hostname() == "" {
			w.found(ctx, n, sourceBoot)
		}
	}
}

func (w *walker) end() {
	w.ending = true
	if w.timer != nil {
		w.timer.Stop()
	}
}

func (w *walker) arm(d time.Duration) {
	if w.timer != nil {
		w.timer.Stop()
	}
	w.timer = w.Clock.AfterFunc(d, func() { supervise.Send(w.root, w.self, &tick{of: w}) })
}

// tick checks whether the crawl is over. Receive then begins the visits that have become due.
func (w *walker) tick(ctx actor.Context, msg *tick) {
	if msg.of != w {
		return
	}
	w.arm(tickTime)
	if !w.over && w.plan.quietFor(w.Clock.Now()) >= w.Quiet {
		w.over = true
		supervise.Send(ctx, ctx.Parent(), &quiet{})
	}
}

// found adds a node to the plan and to the archive.
func (w *walker) found(ctx actor.Context, n *enode.Node, source string) {
	if n.Pubkey() == nil || !w.welcome(n) {
		return
	}
	now := w.Clock.Now()
	news := false
	if consensusOnly(n) {
		news = w.plan.shelve(n, now)
	} else {
		news = w.plan.learn(n, time.Time{}, now)
	}
	if w.plan.known[n.ID()] != nil {
		w.keep(ctx, finding{node: n, source: source, at: now, news: news})
	}
}

func (w *walker) keep(ctx actor.Context, e record) {
	w.unsaved.Add(1)
	supervise.Send(ctx, w.archive, &keep{entry: e, from: w.self})
}

// proceed begins the visits that are due, and requests more candidates.
func (w *walker) proceed(ctx actor.Context) {
	now := w.Clock.Now()
	for w.unsaved.Load() < maxUnsaved {
		n, wait := w.plan.next(now)
		if n == nil {
			if wait > 0 && wait < tickTime {
				w.arm(wait)
			}
			break
		}
		w.visit(ctx, n)
	}
	if w.owed <= askedFor/2 && w.unsaved.Load() < maxUnsaved && w.plan.backlog(now, enough) < enough {
		supervise.Send(ctx, w.discovery, &discovery.Request{N: askedFor - w.owed, To: w.self})
		w.owed = askedFor
	}
	w.publish(now)
}

func (w *walker) visit(ctx actor.Context, n *enode.Node) {
	w.serial++
	id := n.ID()
	name := "visit-" + hex.EncodeToString(id[:4]) + "$" + strconv.Itoa(w.serial)
	props := supervise.PropsOf(func() actor.Actor { return &visit{shared: w.shared, node: n} }, w.Journal)
	pid, err := ctx.SpawnNamed(props, name)
	if err != nil {
		panic(err) // impossible: the names are unique
	}
	w.Adopt(pid, &visitPolicy)
	w.visits[pid.Id] = n
}

// visited records the result of a visit. If the node answered and has no known record, the
// walker asks for it.
func (w *walker) visited(ctx actor.Context, msg *visitDone) {
	if w.visits[msg.by.Id] == nil {
		return // a visit of an earlier incarnation
	}
	delete(w.visits, msg.by.Id)
	w.Release(msg.by)
	ctx.Stop(msg.by)
	w.finished(ctx, msg.report)
	if n := msg.report.node; msg.report.alive() && n.Seq() == 0 {
		supervise.Send(ctx, w.discovery, &discovery.Resolve{Node: n, To: w.self})
	}
}

// visitGone records a crash if the visit has stopped without a report.
func (w *walker) visitGone(ctx actor.Context, who *actor.PID) {
	if n := w.visits[who.Id]; n != nil {
		delete(w.visits, who.Id)
		w.finished(ctx, report{node: n, at: w.Clock.Now(), outcome: Crashed, err: "the visit crashed, see the log"})
	}
}

func (w *walker) finished(ctx actor.Context, r report) {
	w.plan.done(r.node.ID(), r.alive(), r.alive() && r.hello == nil, r.at)
	w.keep(ctx, r)
}

// publish publishes the crawl's progress.
func (w *walker) publish(now time.Time) {
	w.progress.Store(&Progress{
		Known: len(w.plan.known), Visited: w.plan.visited, Alive: w.plan.alive,
		UnderWay: len(w.plan.underWay), Due: w.plan.backlog(now, enough), Left: w.plan.left, Quiet: w.plan.quietFor(now),
	})
}

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
	// askedFor is how many candidates we have outstanding at discovery, enough is how many
	// visits may be due before we ask for no more.
	askedFor = 64
	enough   = 1024
	// maxUnsaved is how many entries the archive may have before we wait for it. What is
	// under way comes on top.
	maxUnsaved = 4096
	// tickTime is how often the walker looks whether all is quiet.
	tickTime = time.Second
	// sourceRecord is the source of records that we asked for ourselves.
	sourceRecord = "record"
	// sourceBoot is that of the nodes that the operator named, or the network has.
	sourceBoot = "bootnode"
)

// visitPolicy: a visit is not worth a second try before it is due again.
var visitPolicy = supervise.Policy{Restart: supervise.Temporary}

// walker decides whom to visit. Its plan outlives it, the visits that were under way
// don't: they are done again.
type walker struct {
	*shared
	*supervise.Supervisor
	self   *actor.PID
	root   *actor.RootContext
	owed   int                    // candidates that are on their way
	visits map[string]*enode.Node // by their actor's PID
	timer  supervise.Timer
	serial int  // of visits, for names
	told   bool // that all is quiet
	ending bool // this incarnation: what still comes is the end of its visits
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
	case *kept: // there is room again
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
	// Who was restarted doesn't know what is on its way.
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

// tick looks after what time brings: proceed follows.
func (w *walker) tick(ctx actor.Context, msg *tick) {
	if msg.of != w {
		return
	}
	w.arm(tickTime)
	if !w.told && w.plan.quietFor(w.Clock.Now()) >= w.Quiet {
		w.told = true
		supervise.Send(ctx, ctx.Parent(), &quiet{})
	}
}

// found takes a node in.
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
		w.keep(ctx, sighting{node: n, source: source, at: now, news: news})
	}
}

func (w *walker) keep(ctx actor.Context, e record) {
	w.unsaved.Add(1)
	supervise.Send(ctx, w.archive, &keep{entry: e, from: w.self})
}

// proceed begins the visits that are due, and asks for more nodes.
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
		panic(err) // the names are ours alone
	}
	w.Adopt(pid, &visitPolicy)
	w.visits[pid.Id] = n
}

// visited takes down what a visit has found out, and asks a node for its record if it is
// there and we know it without one.
func (w *walker) visited(ctx actor.Context, msg *visitDone) {
	if w.visits[msg.by.Id] == nil {
		return // of an incarnation before
	}
	delete(w.visits, msg.by.Id)
	w.Release(msg.by)
	ctx.Stop(msg.by)
	w.finished(ctx, msg.report)
	if n := msg.report.node; msg.report.alive() && n.Seq() == 0 {
		supervise.Send(ctx, w.discovery, &discovery.Resolve{Node: n, To: w.self})
	}
}

// visitGone: a visit that stops without a report has crashed.
func (w *walker) visitGone(ctx actor.Context, who *actor.PID) {
	if n := w.visits[who.Id]; n != nil {
		delete(w.visits, who.Id)
		w.finished(ctx, report{node: n, at: w.Clock.Now(), outcome: Crashed, err: "a bug of ours, see the log"})
	}
}

func (w *walker) finished(ctx actor.Context, r report) {
	w.plan.done(r.node.ID(), r.alive(), r.alive() && r.hello == nil, r.at)
	w.keep(ctx, r)
}

// publish puts out how the crawl is getting on.
func (w *walker) publish(now time.Time) {
	w.progress.Store(&Progress{
		Known: len(w.plan.known), Visited: w.plan.visited, Alive: w.plan.alive,
		UnderWay: len(w.plan.underWay), Due: w.plan.backlog(now, enough), Left: w.plan.left, Quiet: w.plan.quietFor(now),
	})
}

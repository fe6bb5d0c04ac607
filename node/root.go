package node

import (
	"fmt"
	"slices"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/troupe-p2p/troupe/actors/supervise"
	"github.com/troupe-p2p/troupe/nat"
	"github.com/troupe-p2p/troupe/node/bans"
	"github.com/troupe-p2p/troupe/node/discovery"
)

// The names of the root's children.
const (
	bansName       = "bans"
	announcerName  = "announcer"
	natName        = "nat"
	discoveryName  = "discovery"
	puncherName    = "puncher"
	peersName      = "peers"
	handshakesName = "handshakes"
	candidatesName = "candidates"
	dialerName     = "dialer"
	listenerName   = "listener"
)

const (
	// stepTimeout is what each child gets to stop.
	stepTimeout = 500 * time.Millisecond
	// drainTimeout is what peers get: a link has one second for its farewell, and two
	// more for the remote to close.
	drainTimeout = 3300 * time.Millisecond
	// leaveTimeout is what the NAT actor gets to delete its mappings, and discovery to end
	// the library's goroutines. They begin at once, so that this passes beside the farewell
	// of peers.
	leaveTimeout = 3200 * time.Millisecond
)

// root starts the node's actors, restarts those that fail, and stops them in reverse. It
// stands in a keeper, and its state outside: see tree.
type root struct {
	n    *Node
	tree *tree
}

// tree is the root's state.
type tree struct {
	*supervise.Supervisor
	children []*actor.PID // in the order of their start
	stopping bool
	overdue  Timer // for the child that is being stopped
	chaos    []Timer
}

func (n *Node) rootProps() *actor.Props {
	t := &tree{Supervisor: supervise.NewSupervisor(n.rt.Clock, n.rt.Journal, nil)}
	return n.rt.Kept(t, func() actor.Actor { return &root{n: n, tree: t} })
}

func (r *root) Receive(ctx actor.Context) {
	if r.tree.Handle(ctx.Message()) {
		return
	}
	switch msg := ctx.Message().(type) {
	case *actor.Started:
		r.start(ctx)
	case *chaosDue:
		r.inject(ctx, msg.index)
	case *addService:
		r.addService(ctx, msg)
	case *serviceUnused:
		r.dropService(ctx, msg.service)
	case *stopNode:
		r.stop(ctx)
	case *actor.Terminated:
		r.childGone(ctx, msg.Who)
	case *stepOverdue:
		r.skip(ctx, msg.child)
	case *actor.Stopping:
		r.quiet()
	case *actor.Stopped:
		r.record(ctx.Self(), supervise.Stopped, "")
		r.n.stopped()
	}
}

// start brings up the children, so that each finds those it talks to. The order is kept
// for the way back.
func (r *root) start(ctx actor.Context) {
	n := r.n
	r.record(ctx.Self(), supervise.Started, "")
	r.spawn(ctx, bansName, bans.Props(bans.Config{Runtime: n.rt, Ledger: n.ledger, File: bans.File(n.cfg.DataDir), Logger: n.log}))
	r.spawn(ctx, announcerName, n.rt.Props(func() actor.Actor { return &announcer{n: n} }))
	r.startUnless(ctx, natName, n.natProps)
	r.startUnless(ctx, discoveryName, n.discoveryProps)
	r.startUnless(ctx, puncherName, n.puncherProps)
	supervise.Send(ctx, n.announcer, &puncherUp{})
	for _, m := range n.offer.Load().Mounted {
		r.spawnService(ctx, m)
	}
	r.spawn(ctx, peersName, n.peersProps())
	r.spawn(ctx, handshakesName, n.handshakesProps())
	if n.cfg.Candidates != nil {
		r.spawn(ctx, candidatesName, n.candidatesProps())
	}
	r.spawn(ctx, dialerName, n.rt.Props(func() actor.Actor { return &dialer{n: n} }))
	r.spawn(ctx, listenerName, n.rt.Props(func() actor.Actor { return &listener{n: n} }))
	r.startUnless(ctx, adminName, n.adminProps)
	r.tree.chaos = make([]Timer, len(n.cfg.Chaos))
	for i := range n.cfg.Chaos {
		r.armChaos(ctx, i)
	}
	close(n.up)
}

// startUnless starts a child that not every node has, unless this one has no use for it.
func (r *root) startUnless(ctx actor.Context, name string, make func() (*actor.Props, bool, error)) {
	props, ok, err := make()
	if err != nil {
		panic(fmt.Errorf("%s: %w", name, err)) // the configuration was checked
	}
	if ok {
		r.spawn(ctx, name, props)
	}
}

func (r *root) spawn(ctx actor.Context, name string, props *actor.Props) {
	r.spawnAs(ctx, name, props, &supervise.Resident)
}

func (r *root) spawnAs(ctx actor.Context, name string, props *actor.Props, policy *supervise.Policy) {
	pid, err := ctx.SpawnNamed(props, name)
	if err != nil {
		panic(fmt.Errorf("spawn %s: %w", name, err)) // the names are ours alone
	}
	r.tree.children = append(r.tree.children, pid)
	r.tree.Adopt(pid, policy)
	r.record(pid, supervise.Started, "")
}

// stop begins the way back; a second call changes nothing.
func (r *root) stop(ctx actor.Context) {
	if !r.tree.stopping {
		r.tree.stopping = true
		r.n.roster.close()
		r.quiet()
		r.tree.Release(r.n.nat)
		r.tree.Release(r.n.discovery)
		supervise.Send(ctx, r.n.nat, &nat.Leave{})
		supervise.Send(ctx, r.n.discovery, &discovery.Leave{})
		r.stopLast(ctx)
	}
}

// quiet ends the timers.
func (r *root) quiet() {
	for _, t := range r.tree.chaos {
		t.Stop()
	}
	if r.tree.overdue != nil {
		r.tree.overdue.Stop()
	}
}

// stopLast stops the child that was started last, or the root when there is none left.
func (r *root) stopLast(ctx actor.Context) {
	t := r.tree
	if len(t.children) == 0 {
		ctx.Stop(ctx.Self())
		return
	}
	child := t.children[len(t.children)-1]
	timeout := stepTimeout
	switch child.Id {
	case r.n.nat.Id, r.n.discovery.Id: // were told at the beginning
		timeout = leaveTimeout
	case r.n.peers.Id:
		timeout = drainTimeout
		supervise.Send(ctx, child, &drain{})
	case r.n.handshakes.Id:
		supervise.Send(ctx, child, &drain{})
	default:
		t.Release(child)
		ctx.Stop(child)
	}
	self, system := ctx.Self(), ctx.ActorSystem()
	t.overdue = r.n.rt.Clock.AfterFunc(timeout, func() { supervise.Send(system.Root, self, &stepOverdue{child: child}) })
}

func (r *root) childGone(ctx actor.Context, who *actor.PID) {
	r.record(who, supervise.Stopped, "")
	if same(who, r.n.nat) {
		r.n.natGone.Store(true)
	}
	if r.current(who) {
		r.tree.overdue.Stop()
		r.next(ctx)
	} else { // one that was told before its turn, or whose protocol was removed
		r.tree.children = slices.DeleteFunc(r.tree.children, func(c *actor.PID) bool { return same(c, who) })
	}
}

// skip goes on without a child that doesn't stop. It is stopped the hard way, and the
// root waits for it at the very end.
func (r *root) skip(ctx actor.Context, child *actor.PID) {
	if r.current(child) {
		r.n.log.Warn("actor has not stopped in time", "actor", supervise.Path(child))
		r.tree.Release(child)
		ctx.Stop(child)
		r.next(ctx)
	}
}

// current says whether a child is the one that is being stopped.
func (r *root) current(child *actor.PID) bool {
	c := r.tree.children
	return r.tree.stopping && len(c) > 0 && same(c[len(c)-1], child)
}

func (r *root) next(ctx actor.Context) {
	r.tree.children = r.tree.children[:len(r.tree.children)-1]
	r.stopLast(ctx)
}

func (r *root) record(pid *actor.PID, event, reason string) {
	r.n.rt.Journal.Record(supervise.Step{Actor: supervise.Path(pid), Event: event, Reason: reason, Quiet: true})
}

func (r *root) armChaos(ctx actor.Context, i int) {
	self, system := ctx.Self(), ctx.ActorSystem()
	r.tree.chaos[i] = r.n.rt.Clock.AfterFunc(r.n.cfg.Chaos[i].Interval, func() {
		supervise.Send(system.Root, self, &chaosDue{index: i})
	})
}

// inject makes the actors of this node that match panic, each in its own turn.
func (r *root) inject(ctx actor.Context, i int) {
	if r.tree.stopping {
		return
	}
	r.armChaos(ctx, i)
	for _, pid := range below(ctx.ActorSystem(), ctx.Self()) {
		if globMatch(r.n.cfg.Chaos[i].Pattern, supervise.Path(pid)) {
			supervise.Send(ctx, pid, &supervise.Inject{})
		}
	}
}

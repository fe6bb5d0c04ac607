package node

import (
	"fmt"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/troupe-p2p/troupe/actors/supervise"
	"github.com/troupe-p2p/troupe/node/record"
	"github.com/troupe-p2p/troupe/protocols"
)

// root starts the node's actors, restarts those that fail, and stops them in reverse order. A
// crash replaces it while its children run. Its state is in tree.
type root struct {
	n    *Node
	tree *tree
}

// tree is the root's state.
type tree struct {
	*supervise.Supervisor
	children []*child // in the order of their start
	late     []*child // did not stop in time, and still run
	stopping bool
	plan     stopPlan
	leaving  bool  // the root itself is stopping
	overdue  Timer // ends the plan, once the root itself is stopping
	ended    bool  // Node.stopped was called
	chaos    []Timer
}

// child is an actor that the root has started.
type child struct {
	pid     *actor.PID
	stage   stage              // in which it is stopped
	service *protocols.Mounted // nil: the child is not the service of a protocol
	overdue Timer              // runs while the child is being stopped; nil: it is not
	due     time.Time          // when overdue ends
	current bool               // the root waits for it before it stops others
	hangs   bool               // the root does not wait for it any more
	warned  bool               // the log has that it is late
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
		r.stop(ctx, msg.begin)
	case *actor.Terminated:
		r.childGone(ctx, msg.Who)
	case *stepOverdue:
		r.skip(ctx, msg.child)
	case *stopOverdue:
		r.giveUp()
	case *actor.Stopping:
		r.stopTimers()
		r.abandon(ctx)
	case *actor.Stopped:
		r.record(ctx.Self(), supervise.Stopped, "")
		r.end()
	}
}

// start starts the children. Each comes after those that it sends messages to. They stop in
// the reverse order.
func (r *root) start(ctx actor.Context) {
	n := r.n
	r.record(ctx.Self(), supervise.Started, "")
	r.spawn(ctx, bansName, n.bansProps())
	r.spawn(ctx, announcerName, n.record.Props())
	r.spawnIfNeeded(ctx, natName, n.natProps)
	r.spawnIfNeeded(ctx, discoveryName, n.discoveryProps)
	r.spawnIfNeeded(ctx, puncherName, n.puncherProps)
	supervise.Send(ctx, n.pids.announcer, &record.PuncherUp{})
	for _, m := range n.offer.Load().Mounted {
		r.spawnService(ctx, m)
	}
	r.spawn(ctx, peersName, n.peersProps())
	r.spawn(ctx, handshakesName, n.setup.Props())
	if n.cfg.Candidates != nil {
		r.spawn(ctx, candidatesName, n.dialer.IteratorProps())
	}
	r.spawn(ctx, dialerName, n.dialer.Props())
	r.spawn(ctx, listenerName, n.listenerProps())
	r.spawnIfNeeded(ctx, adminName, n.adminProps)
	r.tree.chaos = make([]Timer, len(n.cfg.Chaos))
	for i := range n.cfg.Chaos {
		r.armChaos(ctx, i)
	}
	close(n.life.up)
}

// spawnIfNeeded starts a child that not every node has, if make returns true.
func (r *root) spawnIfNeeded(ctx actor.Context, name string, make func() (*actor.Props, bool, error)) {
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

func (r *root) spawnAs(ctx actor.Context, name string, props *actor.Props, policy *supervise.Policy) *child {
	pid, err := ctx.SpawnNamed(props, name)
	if err != nil {
		panic(fmt.Errorf("spawn %s: %w", name, err)) // no other actor uses these names
	}
	c := &child{pid: pid, stage: stageOf(name)}
	r.tree.children = append(r.tree.children, c)
	r.tree.Adopt(pid, policy)
	r.record(pid, supervise.Started, "")
	return c
}

func (r *root) record(pid *actor.PID, event, reason string) {
	r.n.rt.Journal.Record(supervise.Step{Actor: supervise.Path(pid), Event: event, Reason: reason, Quiet: true})
}

func (r *root) armChaos(ctx actor.Context, i int) {
	r.tree.chaos[i] = r.n.rt.After(r.n.cfg.Chaos[i].Interval, ctx.Self(), &chaosDue{index: i})
}

// inject makes the matching actors of this node panic, each when it handles the message. Each
// actor passes the message on to its children, so that the root's turn does not depend on the
// number of actors.
func (r *root) inject(ctx actor.Context, i int) {
	if r.tree.stopping {
		return
	}
	r.armChaos(ctx, i)
	pattern := r.n.cfg.Chaos[i].Pattern
	supervise.Send(ctx, ctx.Self(), &supervise.Inject{Match: func(path string) bool { return globMatch(pattern, path) }})
}

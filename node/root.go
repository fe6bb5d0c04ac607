package node

import (
	"fmt"
	"slices"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/troupe-p2p/troupe/actors/supervise"
	"github.com/troupe-p2p/troupe/nat"
	"github.com/troupe-p2p/troupe/node/discovery"
	"github.com/troupe-p2p/troupe/node/peers"
	"github.com/troupe-p2p/troupe/node/record"
	"github.com/troupe-p2p/troupe/node/setup"
)

const (
	// stepTimeout is what each child gets to stop.
	stepTimeout = 500 * time.Millisecond
	// drainTimeout is what peers gets: a link has one second for its Disconnect, and two more
	// for the remote to close.
	drainTimeout = 3300 * time.Millisecond
	// leaveTimeout is what the NAT actor gets to delete its mappings, and discovery to end the
	// library's goroutines. They begin at once, so that this passes beside the Disconnects of
	// peers.
	leaveTimeout = 3200 * time.Millisecond
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
		r.stopTimers()
	case *actor.Stopped:
		r.record(ctx.Self(), supervise.Stopped, "")
		r.n.stopped()
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
	close(n.up)
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

func (r *root) spawnAs(ctx actor.Context, name string, props *actor.Props, policy *supervise.Policy) {
	pid, err := ctx.SpawnNamed(props, name)
	if err != nil {
		panic(fmt.Errorf("spawn %s: %w", name, err)) // no other actor uses these names
	}
	r.tree.children = append(r.tree.children, pid)
	r.tree.Adopt(pid, policy)
	r.record(pid, supervise.Started, "")
}

// stop begins to stop the children. A second call changes nothing.
func (r *root) stop(ctx actor.Context) {
	if !r.tree.stopping {
		r.tree.stopping = true
		r.n.table.Close()
		r.stopTimers()
		r.tree.Release(r.n.pids.nat)
		r.tree.Release(r.n.pids.discovery)
		supervise.Send(ctx, r.n.pids.nat, &nat.Leave{})
		supervise.Send(ctx, r.n.pids.discovery, &discovery.Leave{})
		r.stopLast(ctx)
	}
}

func (r *root) stopTimers() {
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
	case r.n.pids.nat.Id, r.n.pids.discovery.Id: // stop was sent them at the beginning
		timeout = leaveTimeout
	case r.n.pids.peers.Id:
		timeout = drainTimeout
		supervise.Send(ctx, child, &peers.Drain{})
	case r.n.pids.handshakes.Id:
		supervise.Send(ctx, child, &setup.Drain{})
	default:
		t.Release(child)
		ctx.Stop(child)
	}
	t.overdue = r.n.rt.After(timeout, ctx.Self(), &stepOverdue{child: child})
}

func (r *root) childGone(ctx actor.Context, who *actor.PID) {
	r.record(who, supervise.Stopped, "")
	if supervise.Same(who, r.n.pids.nat) {
		r.n.record.NATGone()
	}
	if r.current(who) {
		r.tree.overdue.Stop()
		r.next(ctx)
	} else { // it stopped before its turn, or its protocol was removed
		r.tree.children = slices.DeleteFunc(r.tree.children, func(c *actor.PID) bool { return supervise.Same(c, who) })
	}
}

// skip goes on without a child that does not stop. The child is stopped by the runtime, and
// the root waits for it at the very end.
func (r *root) skip(ctx actor.Context, child *actor.PID) {
	if r.current(child) {
		r.n.cfg.Logger.Warn("actor did not stop in time", "actor", supervise.Path(child))
		r.tree.Release(child)
		ctx.Stop(child)
		r.next(ctx)
	}
}

// current says whether a child is the one that is being stopped.
func (r *root) current(child *actor.PID) bool {
	c := r.tree.children
	return r.tree.stopping && len(c) > 0 && supervise.Same(c[len(c)-1], child)
}

func (r *root) next(ctx actor.Context) {
	r.tree.children = r.tree.children[:len(r.tree.children)-1]
	r.stopLast(ctx)
}

func (r *root) record(pid *actor.PID, event, reason string) {
	r.n.rt.Journal.Record(supervise.Step{Actor: supervise.Path(pid), Event: event, Reason: reason, Quiet: true})
}

func (r *root) armChaos(ctx actor.Context, i int) {
	r.tree.chaos[i] = r.n.rt.After(r.n.cfg.Chaos[i].Interval, ctx.Self(), &chaosDue{index: i})
}

// inject makes the matching actors of this node panic, each when it handles the message.
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

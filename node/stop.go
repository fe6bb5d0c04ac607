package node

import (
	"slices"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/troupe-p2p/troupe/actors/supervise"
	"github.com/troupe-p2p/troupe/nat"
	"github.com/troupe-p2p/troupe/node/discovery"
	"github.com/troupe-p2p/troupe/node/peers"
	"github.com/troupe-p2p/troupe/node/setup"
)

// This file is how the root stops its children.

const (
	// stepTimeout is what each child gets to stop.
	stepTimeout = 500 * time.Millisecond
	// drainTimeout is what peers gets: a link has two seconds for its Disconnect and for the remote
	// to close, and a machine that is busy with the flood of its remotes is late. The links begin to
	// end at once, so that this passes beside the ends of the actors that are stopped first.
	drainTimeout = 3300 * time.Millisecond
	// leaveTimeout is what the NAT actor gets to delete its mappings, and discovery to end the
	// library's goroutines. They begin at once, so that this passes beside the Disconnects of
	// peers.
	leaveTimeout = 3200 * time.Millisecond
)

// find returns the child with this PID, nil if there is none.
func (t *tree) find(pid *actor.PID) *child {
	if i := slices.IndexFunc(t.children, func(c *child) bool { return supervise.Same(c.pid, pid) }); i >= 0 {
		return t.children[i]
	}
	return nil
}

// stop begins to stop the children. A second call changes nothing.
func (r *root) stop(ctx actor.Context) {
	if !r.tree.stopping {
		r.tree.stopping = true
		r.n.table.Close()
		r.stopTimers()
		r.tree.Release(r.n.pids.nat)
		r.tree.Release(r.n.pids.discovery)
		supervise.Send(ctx, r.n.pids.peers, &peers.Leave{})
		supervise.Send(ctx, r.n.pids.nat, &nat.Leave{})
		supervise.Send(ctx, r.n.pids.discovery, &discovery.Leave{})
		r.stopLast(ctx)
	}
}

// stopTimers stops the timers of Config.Chaos.
func (r *root) stopTimers() {
	for _, t := range r.tree.chaos {
		t.Stop()
	}
}

// stopLast stops the child that was started last, or the root when there is none left. If
// that child is a service, it stops all services: they need nothing of each other.
func (r *root) stopLast(ctx actor.Context) {
	t := r.tree
	if len(t.children) == 0 {
		ctx.Stop(ctx.Self())
		return
	}
	first := len(t.children) - 1
	for first > 0 && t.children[first].service != nil && t.children[first-1].service != nil {
		first--
	}
	for _, c := range t.children[first:] {
		c.current = true
		r.stopChild(ctx, c)
	}
}

// stopChild begins to stop a child. It changes nothing if that has begun before.
func (r *root) stopChild(ctx actor.Context, c *child) {
	if c.overdue != nil {
		return
	}
	timeout := stepTimeout
	switch c.pid.Id {
	case r.n.pids.nat.Id, r.n.pids.discovery.Id: // stop was sent them at the beginning
		timeout = leaveTimeout
	case r.n.pids.peers.Id:
		timeout = drainTimeout
		supervise.Send(ctx, c.pid, &peers.Drain{})
	case r.n.pids.handshakes.Id:
		supervise.Send(ctx, c.pid, &setup.Drain{})
	default:
		if c.service != nil {
			timeout = c.service.StopTimeout()
		}
		r.tree.Release(c.pid)
		ctx.Stop(c.pid)
	}
	c.overdue = r.n.rt.After(timeout, ctx.Self(), &stepOverdue{child: c})
}

func (r *root) childGone(ctx actor.Context, who *actor.PID) {
	r.record(who, supervise.Stopped, "")
	if supervise.Same(who, r.n.pids.nat) {
		r.n.record.NATGone()
	}
	t := r.tree
	c := t.find(who)
	if c == nil { // it did not stop in time
		if i := slices.IndexFunc(t.late, func(c *child) bool { return supervise.Same(c.pid, who) }); i >= 0 {
			c = t.late[i]
			t.late = slices.Delete(t.late, i, i+1)
		}
	}
	if c != nil && c.service != nil {
		r.n.services.remove(c.service)
	}
	r.remove(ctx, c)
	r.endWithoutServices()
}

// skip goes on without a child that does not stop. The child is stopped by the runtime. The
// root waits for it at the very end, unless it is a service: authors' code must not keep the
// node from stopping.
func (r *root) skip(ctx actor.Context, c *child) {
	if !slices.Contains(r.tree.children, c) {
		return
	}
	r.warn(c)
	r.tree.Release(c.pid)
	ctx.Stop(c.pid)
	r.tree.late = append(r.tree.late, c)
	r.remove(ctx, c)
}

func (r *root) warn(c *child) {
	about := []any{"actor", supervise.Path(c.pid)}
	if c.service != nil {
		about = append(about, "protocol", c.service.Spec.Name, "timeout", c.service.StopTimeout())
	}
	r.n.cfg.Logger.Warn("actor did not stop in time", about...)
}

// remove forgets a child that has stopped or is late, and goes on when it was the last one
// that the root waited for. c may be nil, or have been removed before.
func (r *root) remove(ctx actor.Context, c *child) {
	t := r.tree
	i := slices.Index(t.children, c)
	if i < 0 {
		return
	}
	if c.overdue != nil {
		c.overdue.Stop()
	}
	t.children = slices.Delete(t.children, i, i+1)
	if c.current && !slices.ContainsFunc(t.children, func(c *child) bool { return c.current }) {
		r.stopLast(ctx)
	}
}

// abandon is called when the root itself stops: it waits for all children that are left but
// services. There are children left only if Stop's context has ended.
func (r *root) abandon() {
	r.n.table.Close() // before the peers actor stops: a link that it made while it stops would stay
	t := r.tree
	for _, c := range t.children {
		if c.overdue != nil {
			c.overdue.Stop()
		}
		if c.current && c.service != nil {
			r.warn(c)
		}
	}
	t.late = append(t.late, t.children...)
	t.children, t.leaving = nil, true
	r.endWithoutServices()
}

// endWithoutServices ends the node when only services are left that did not stop in time. The
// root's actor stays in the actor system until they stop.
func (r *root) endWithoutServices() {
	t := r.tree
	if t.leaving && len(t.late) > 0 && !slices.ContainsFunc(t.late, func(c *child) bool { return c.service == nil }) {
		r.end()
	}
}

func (r *root) end() {
	if !r.tree.ended {
		r.tree.ended = true
		r.n.stopped()
	}
}

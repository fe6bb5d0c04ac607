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

// This file is how the root stops its children, each within its share of the plan in stopplan.go.

// find returns the child with this PID, nil if there is none.
func (t *tree) find(pid *actor.PID) *child {
	if i := slices.IndexFunc(t.children, func(c *child) bool { return supervise.Same(c.pid, pid) }); i >= 0 {
		return t.children[i]
	}
	return nil
}

// stop begins to stop the children. A second call changes nothing. What takes long begins at once,
// and passes beside the ends of the actors that are stopped first.
func (r *root) stop(ctx actor.Context, begin time.Time) {
	if !r.tree.stopping {
		r.tree.stopping = true
		r.tree.plan.begin = begin
		r.n.table.Close()
		r.stopTimers()
		r.tree.Release(r.n.pids.nat)
		r.tree.Release(r.n.pids.discovery)
		passed := r.n.rt.Clock.Now().Sub(begin)
		supervise.Send(ctx, r.n.pids.peers, &peers.Leave{By: time.Now().Add(linkTime - passed)})
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
		if c.service != nil {
			t.plan.allow(c.due)
		}
	}
}

// stopChild begins to stop a child. It changes nothing if that has begun before.
func (r *root) stopChild(ctx actor.Context, c *child) {
	if c.overdue != nil {
		return
	}
	switch c.pid.Id {
	case r.n.pids.nat.Id, r.n.pids.discovery.Id: // stop was sent them at the beginning
	case r.n.pids.peers.Id:
		supervise.Send(ctx, c.pid, &peers.Drain{})
	case r.n.pids.handshakes.Id:
		supervise.Send(ctx, c.pid, &setup.Drain{})
	default:
		r.tree.Release(c.pid)
		ctx.Stop(c.pid)
	}
	now := r.n.rt.Clock.Now()
	timeout := r.timeout(c, now)
	c.due = now.Add(timeout)
	c.overdue = r.n.rt.After(timeout, ctx.Self(), &stepOverdue{child: c})
}

// timeout returns how long a child may take to stop from now on. A service has the time that its
// Spec asks for, also while the node runs on.
func (r *root) timeout(c *child, now time.Time) time.Duration {
	if c.service != nil {
		return c.service.StopTimeout()
	}
	leaves := c.pid.Id == r.n.pids.nat.Id || c.pid.Id == r.n.pids.discovery.Id // since the beginning
	othersFollow := !leaves && slices.ContainsFunc(r.tree.children, func(other *child) bool {
		return other.stage == c.stage && !other.current
	})
	return r.tree.plan.share(c.stage, othersFollow, now)
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
	r.endIfHanging()
}

// skip goes on without a child that does not stop. The runtime stops the child. At the very end the
// root waits for it as long as the plan allows, unless it runs authors' code that does not return: a
// service, or peers when all its links have closed their sockets.
func (r *root) skip(ctx actor.Context, c *child) {
	if !slices.Contains(r.tree.children, c) {
		return
	}
	r.warn(c)
	r.tree.Release(c.pid)
	ctx.Stop(c.pid)
	c.hangs = c.stage == flushing || c.stage == links && r.n.table.Size() == 0
	r.tree.late = append(r.tree.late, c)
	r.remove(ctx, c)
}

// warn logs once that a child is late.
func (r *root) warn(c *child) {
	if c.warned {
		return
	}
	c.warned = true
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

// abandon is called when the root itself stops: it waits for all children that are left, until the
// plan is over. Services have had their time then. There are children that were not skipped only if
// Stop's context has ended.
func (r *root) abandon(ctx actor.Context) {
	r.n.table.Close() // before the peers actor stops: a link that it made while it stops would stay
	t := r.tree
	for _, c := range t.children {
		if c.overdue != nil {
			c.overdue.Stop()
		}
		if c.current && c.service != nil {
			r.warn(c)
		}
		c.hangs = c.stage == flushing
	}
	t.late = append(t.late, t.children...)
	t.children, t.leaving = nil, true
	now := r.n.rt.Clock.Now()
	if t.plan.begin.IsZero() {
		t.plan.begin = now
	}
	t.overdue = r.n.rt.After(t.plan.share(files, false, now), ctx.Self(), &stopOverdue{})
	r.endIfHanging()
}

// endIfHanging ends the node when only children are left that hang. The root's actor stays in the
// actor system until they stop.
func (r *root) endIfHanging() {
	t := r.tree
	if t.leaving && len(t.late) > 0 && !slices.ContainsFunc(t.late, func(c *child) bool { return !c.hangs }) {
		r.end()
	}
}

// giveUp ends the node when the plan is over, whatever still runs. It waits longer for an actor that
// writes files alone: the data directory must not be unlocked before.
func (r *root) giveUp() {
	for _, c := range r.tree.late {
		if c.stage != files && !c.hangs {
			r.warn(c)
			c.hangs = true
		}
	}
	r.endIfHanging()
}

func (r *root) end() {
	if !r.tree.ended {
		r.tree.ended = true
		if r.tree.overdue != nil {
			r.tree.overdue.Stop()
		}
		r.n.stopped()
	}
}

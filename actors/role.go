package actors

import (
	"github.com/asynkron/protoactor-go/actor"

	"github.com/troupe-p2p/troupe/actors/supervise"
)

// role is the initial actor of every PID in a link; it chooses its real actor by name. So one Props
// serves the children of all links.
type role struct {
	links *Links
	actor actor.Actor
}

// stage is a link with all actors that every link has, and with what they are made from. It holds what
// a [Link] does not expose: the socket to write to, in the frame writer, and the decoder, in the
// reader's pump. It is one piece of memory of a size that nothing else has: small pieces would share
// pages with garbage of the handshake, and an idle link would keep two kilobytes of unused room.
type stage struct {
	link   Link
	links  *Links
	owner  *actor.PID // of the peer
	writer frameWriter
	pump   pump
	peer   peer
	pinger pinger
	reader reader

	next, previous *stage // in the list of Links
}

// newStage takes from the session what the link needs of it.
func newStage(ls *Links, owner *actor.PID, cfg Config) *stage {
	s := &stage{links: ls, owner: owner}
	l := &s.link
	l.init(&ls.common, cfg)
	s.writer = frameWriter{link: l, conn: cfg.Conn, enc: cfg.Session.Encoder}
	s.pump = newPump(l, cfg.Session)
	return s
}

// Receive implements actor.Actor. The actors that it calls are guarded themselves.
func (r *role) Receive(ctx actor.Context) {
	if r.actor == nil {
		r.actor = r.cast(ctx)
	}
	r.actor.Receive(ctx)
}

// cast makes the actor with the context's PID.
func (r *role) cast(ctx actor.Context) actor.Actor {
	self := ctx.Self()
	s := r.links.find(self, ctx.Parent())
	l := &s.link
	if self == l.pid {
		return supervise.Guard(s.newPeer(), l.journal)
	}
	name := self.Id[len(l.pid.Id)+1:]
	for _, h := range l.hosts {
		if name == h.protocol.Name {
			return h.incarnate()
		}
	}
	if name == pingerName {
		s.pinger = pinger{link: l}
		return supervise.Guard(&s.pinger, l.journal)
	}
	s.reader = reader{link: l, pump: &s.pump}
	return supervise.Guard(&s.reader, l.journal)
}

// HandleFailure implements actor.SupervisorStrategy. The peer has its own strategy. The other
// actors have only the children that a protocol spawns; these are stopped when they fail, unless
// the protocol supervises them.
func (r *role) HandleFailure(system *actor.ActorSystem, by actor.Supervisor, child *actor.PID, rs *actor.RestartStatistics, reason, message any) {
	var strategy actor.SupervisorStrategy = supervise.StopFailed{}
	if own, ok := r.actor.(actor.SupervisorStrategy); ok {
		strategy = own
	}
	strategy.HandleFailure(system, by, child, rs, reason, message)
}

// The names of the actors that every link has besides its protocols.
const (
	pingerName = "pinger"
	readerName = "reader"
)

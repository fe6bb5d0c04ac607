package actors

import (
	"net"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/troupe-p2p/troupe/actors/supervise"
	"github.com/troupe-p2p/troupe/wire"
)

// role is what every actor of a link starts as: it finds out by its name which one
// it is. So one Props serves the whole link, where one for each actor would be a
// kilobyte.
type role struct {
	*stage
	actor actor.Actor
}

// stage is what the actors of a link are made from. It keeps what the [Link] does
// not let everybody have: the right to write, which goes to the token's mint, and
// the decoder, which goes to the reader.
type stage struct {
	link    *Link
	owner   *actor.PID // of the peer
	conn    net.Conn
	session *wire.Session
}

func newProps(s *stage, opts ...actor.PropsOption) *actor.Props {
	props := actor.PropsFromProducer(func() actor.Actor { return &role{stage: s} }, actor.WithMailbox(supervise.NewMailbox))
	return props.Configure(opts...)
}

// Receive implements actor.Actor. What it passes on to guards itself.
func (r *role) Receive(ctx actor.Context) {
	if r.actor == nil {
		r.actor = r.cast(ctx.Self())
	}
	r.actor.Receive(ctx)
}

// cast makes the actor of that name.
func (r *role) cast(self *actor.PID) actor.Actor {
	l := r.link
	if self.Equal(l.pid) {
		return supervise.Guard(newPeer(l, r.owner, &frameWriter{link: l, conn: r.conn, enc: r.session.Encoder}), l.journal)
	}
	for _, h := range l.hosts {
		if self.Equal(h.pid) {
			return &incarnation{Host: h}
		}
	}
	if self.Id == l.pid.Id+"/"+pingerName {
		return supervise.Guard(newPinger(l), l.journal)
	}
	return supervise.Guard(&reader{link: l, pump: newPump(l, r.session)}, l.journal)
}

// HandleFailure implements actor.SupervisorStrategy: the peer has one of its own,
// the others have no children but those that a protocol spawns, which nobody
// restarts unless it sees to it.
func (r *role) HandleFailure(system *actor.ActorSystem, by actor.Supervisor, child *actor.PID, rs *actor.RestartStatistics, reason, message any) {
	var strategy actor.SupervisorStrategy = supervise.StopFailed{}
	if own, ok := r.actor.(actor.SupervisorStrategy); ok {
		strategy = own
	}
	strategy.HandleFailure(system, by, child, rs, reason, message)
}

// The names of the actors that every link has, beside its protocols'.
const (
	pingerName = "pinger"
	readerName = "reader"
)

package actors

import (
	"github.com/asynkron/protoactor-go/actor"

	"github.com/troupe-p2p/troupe/actors/supervise"
)

// role is the initial actor of every PID in a link; it chooses its real actor by name. One Props
// therefore serves the whole link; one for each actor would cost a kilobyte each.
type role struct {
	*stage
	actor actor.Actor
}

// stage is what a link's actors are made from. It holds what a [Link] does not expose: the socket
// to write to, in the frame writer, and the decoder, in the reader's pump.
type stage struct {
	link   *Link
	owner  *actor.PID // of the peer
	writer frameWriter
	pump   pump
}

// newStage takes from the session what the link needs of it.
func newStage(l *Link, owner *actor.PID, cfg Config) *stage {
	w := frameWriter{link: l, conn: cfg.Conn, enc: cfg.Session.Encoder}
	return &stage{link: l, owner: owner, writer: w, pump: newPump(l, cfg.Session)}
}

func newProps(s *stage, opts ...actor.PropsOption) *actor.Props {
	props := actor.PropsFromProducer(func() actor.Actor { return &role{stage: s} }, actor.WithMailbox(supervise.NewMailbox))
	return props.Configure(opts...)
}

// Receive implements actor.Actor. The actors that it calls are guarded themselves.
func (r *role) Receive(ctx actor.Context) {
	if r.actor == nil {
		r.actor = r.cast(ctx.Self())
	}
	r.actor.Receive(ctx)
}

// cast makes the actor with that PID.
func (r *role) cast(self *actor.PID) actor.Actor {
	l := r.link
	if self.Equal(l.pid) {
		return supervise.Guard(newPeer(l, r.owner, &r.writer), l.journal)
	}
	for _, h := range l.hosts {
		if self.Equal(h.pid) {
			return &incarnation{Host: h}
		}
	}
	if self.Id == l.pid.Id+"/"+pingerName {
		return supervise.Guard(newPinger(l), l.journal)
	}
	return supervise.Guard(&reader{link: l, pump: &r.pump}, l.journal)
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

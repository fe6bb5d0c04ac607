package node

import (
	"github.com/asynkron/protoactor-go/actor"

	"github.com/troupe-p2p/troupe/actors/supervise"
)

// resumed tells the actors that the node did not run for a time, or that the wall clock was set.
// The Watch calls it.
func (n *Node) resumed(msg supervise.Resumed) {
	switch {
	case msg.For != 0:
		n.cfg.Logger.Info("the node did not run for a time: the process was stopped, or the machine suspended or overloaded", "for", msg.For)
	default:
		n.cfg.Logger.Info("the wall clock was set", "by", msg.Jump)
	}
	for _, pid := range []*actor.PID{n.pids.peers, n.pids.dialer, n.pids.nat, n.pids.bans} {
		n.rt.Send(pid, &msg)
	}
}

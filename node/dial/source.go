package dial

import (
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/troupe-p2p/troupe/actors/supervise"
	"github.com/troupe-p2p/troupe/node/discovery"
)

const (
	// askPauseMin is the shortest time between two requests to a source. If no received node
	// was worth a dial, the pause doubles, up to askPauseMax: otherwise the dialer would
	// repeatedly receive the same nodes.
	askPauseMin = time.Second
	askPauseMax = 8 * time.Second
	// askTimeout is how long to wait for outstanding nodes before another request: the source
	// may have been restarted.
	askTimeout = 30 * time.Second
)

// source is the dialer's view of an actor that finds nodes.
type source struct {
	pid *actor.PID
	own bool // the iterator actor

	outstanding int // nodes requested and not received
	asked       time.Time
	pause       time.Duration
	useful      bool // a node received since the last request was worth a dial
}

// wait returns the time until the next request to the source.
func (s *source) wait(now time.Time) time.Duration {
	pause := s.pause
	if s.outstanding > 0 {
		pause = askTimeout
	}
	return max(0, s.asked.Add(pause).Sub(now))
}

// ask requests n nodes, in place of the nodes that are outstanding.
func (s *source) ask(ctx actor.Context, n int, now time.Time) {
	if s.outstanding > 0 {
		s.withdraw(ctx)
	}
	s.pause = min(2*s.pause, askPauseMax)
	if s.useful || s.pause == 0 {
		s.pause = askPauseMin
	}
	s.asked, s.outstanding, s.useful = now, n, false
	supervise.Send(ctx, s.pid, &discovery.Request{N: n, To: ctx.Self()})
}

// withdraw cancels the request for outstanding nodes.
func (s *source) withdraw(ctx actor.Context) {
	s.outstanding = 0
	supervise.Send(ctx, s.pid, &discovery.Request{To: ctx.Self()})
}

// received records that the source has sent a node.
func (s *source) received(useful bool) {
	s.outstanding = max(0, s.outstanding-1)
	s.useful = s.useful || useful
}

package node

import (
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/troupe-p2p/troupe/actors/supervise"
	"github.com/troupe-p2p/troupe/node/discovery"
)

const (
	// askPauseMin is how often a source is asked for candidates at most. Where none of them
	// is worth a dial for now, asking would go round in circles; the pause then doubles up to
	// askPauseMax.
	askPauseMin = time.Second
	askPauseMax = 8 * time.Second
	// askPatience is how long to wait for what was asked for before asking anew: whoever was
	// to answer may have been restarted.
	askPatience = 30 * time.Second
)

// source is an actor that finds nodes, as the dialer sees it.
type source struct {
	pid *actor.PID
	own bool // it reads Config.Candidates

	outstanding int // asked for, and not come
	asked       time.Time
	pause       time.Duration
	useful      bool // one that came since was worth a dial
}

// wait is how long until the source may be asked.
func (s *source) wait(now time.Time) time.Duration {
	pause := s.pause
	if s.outstanding > 0 {
		pause = askPatience
	}
	return max(0, s.asked.Add(pause).Sub(now))
}

// ask asks for so many more nodes, in place of what was asked for before.
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

// withdraw takes back what was asked for.
func (s *source) withdraw(ctx actor.Context) {
	s.outstanding = 0
	supervise.Send(ctx, s.pid, &discovery.Request{To: ctx.Self()})
}

// came takes down that a node has come.
func (s *source) came(useful bool) {
	s.outstanding = max(0, s.outstanding-1)
	s.useful = s.useful || useful
}

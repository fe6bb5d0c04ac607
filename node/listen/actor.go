package listen

import (
	"net"
	"sync/atomic"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/troupe-p2p/troupe/actors/supervise"
)

const (
	acceptBackoffMin = 5 * time.Millisecond
	acceptBackoffMax = time.Second
)

// listener is the actor that owns the accepting goroutines.
type listener struct{ Config }

func (l *listener) Receive(ctx actor.Context) {
	switch msg := ctx.Message().(type) {
	case *actor.Started:
		l.start(ctx)
	case *acceptFailed:
		// Usually the process has run out of file descriptors, and the operator must act.
		l.Logger.Warn("accepting connections failed", "addr", msg.addr, "err", msg.err)
	case *actor.Stopping:
		l.Sockets.CloseTCP()
	}
}

func (l *listener) start(ctx actor.Context) {
	root, self := ctx.ActorSystem().Root, ctx.Self()
	for _, a := range l.Sockets.acceptors {
		if !a.running.CompareAndSwap(false, true) {
			continue
		}
		supervise.Go(root, self, func() {
			defer a.running.Store(false)
			a.run(l.Config, self)
		})
	}
}

// acceptor is one TCP socket and the goroutine that accepts on it.
type acceptor struct {
	ln      net.Listener
	quit    <-chan struct{} // of the Sockets
	running atomic.Bool
	stats   *counters
}

// run accepts until the socket is closed.
func (a *acceptor) run(c Config, owner *actor.PID) {
	backoff := acceptBackoffMin
	for {
		select {
		case c.Credits <- struct{}{}:
		case <-a.quit:
			return
		}
		conn, err := a.accept(c.GiveBack)
		if err == nil {
			backoff = acceptBackoffMin
			a.stats.accepted.Add(1)
			if c.Expected != nil && c.Expected(conn) {
				c.GiveBack()
			} else if !c.Accept(conn) {
				return
			}
			continue
		}
		if a.closed() {
			return
		}
		a.stats.failed.Add(1)
		if backoff == acceptBackoffMin {
			c.Runtime.Send(owner, &acceptFailed{addr: a.ln.Addr(), err: err})
		}
		if !a.pause(c.Runtime.Clock, backoff) {
			return
		}
		backoff = min(2*backoff, acceptBackoffMax)
	}
}

// accept waits for a connection. Without one it gives the credit back, also if Accept panics.
func (a *acceptor) accept(giveBack func()) (net.Conn, error) {
	accepted := false
	defer func() {
		if !accepted {
			giveBack()
		}
	}()
	conn, err := a.ln.Accept()
	accepted = err == nil
	return conn, err
}

func (a *acceptor) closed() bool {
	select {
	case <-a.quit:
		return true
	default:
		return false
	}
}

// pause waits for d. It returns false if the sockets are closed meanwhile.
func (a *acceptor) pause(clock supervise.Clock, d time.Duration) bool {
	over := make(chan struct{})
	timer := clock.AfterFunc(d, func() { close(over) })
	defer timer.Stop()
	select {
	case <-over:
		return true
	case <-a.quit:
		return false
	}
}

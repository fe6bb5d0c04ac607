package node

import (
	"net"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/troupe-p2p/troupe/actors"
)

const (
	acceptBackoffMin = 5 * time.Millisecond
	acceptBackoffMax = time.Second
)

// listener accepts on all sockets, one goroutine each. The sockets belong to the node,
// so that a restart misses no connection: the previous goroutine still delivers what it
// was waiting for, and ends then.
type listener struct {
	n    *Node
	quit chan struct{} // ends this incarnation's goroutines
}

func (l *listener) Receive(ctx actor.Context) {
	switch msg := ctx.Message().(type) {
	case *actor.Started:
		l.start(ctx)
	case *acceptFailed:
		// Out of descriptors, as a rule: the operator has to do something about it.
		l.n.log.Warn("can't accept connections", "addr", msg.addr, "err", msg.err)
	case *actor.Restarting:
		close(l.quit)
	case *actor.Stopping:
		close(l.quit)
		l.n.closeListeners()
	}
}

func (l *listener) start(ctx actor.Context) {
	l.quit = make(chan struct{})
	root, self := ctx.ActorSystem().Root, ctx.Self()
	for _, ln := range l.n.listeners {
		a := &acceptor{n: l.n, ln: ln, quit: l.quit, root: root, owner: self}
		actors.Go(root, self, a.run)
	}
}

// acceptor is the goroutine of one socket.
type acceptor struct {
	n     *Node
	ln    net.Listener
	quit  <-chan struct{}
	root  *actor.RootContext
	owner *actor.PID
}

// run accepts until the socket is closed. It takes a credit before each connection, so
// that no more of them wait in memory than maxWaiting; the rest wait in the kernel.
func (a *acceptor) run() {
	backoff := acceptBackoffMin
	for {
		select {
		case a.n.intake <- struct{}{}:
		case <-a.quit:
			return
		}
		conn, err := a.ln.Accept()
		if err == nil && a.n.roster.isClosed() {
			_ = conn.Close() // nobody is left to take it
			<-a.n.intake
			return
		}
		if err == nil {
			backoff = acceptBackoffMin
			actors.Send(a.root, a.n.handshakes, &accepted{conn})
			continue
		}
		<-a.n.intake
		if a.ended() {
			return
		}
		if backoff == acceptBackoffMin {
			actors.Send(a.root, a.owner, &acceptFailed{addr: a.ln.Addr(), err: err})
		}
		if !a.pause(backoff) {
			return
		}
		backoff = min(2*backoff, acceptBackoffMax)
	}
}

func (a *acceptor) ended() bool {
	select {
	case <-a.quit:
		return true
	default:
		return false
	}
}

// pause waits, unless the listener ends first.
func (a *acceptor) pause(d time.Duration) bool {
	over := make(chan struct{})
	timer := a.n.clock.AfterFunc(d, func() { close(over) })
	defer timer.Stop()
	select {
	case <-over:
		return true
	case <-a.quit:
		return false
	}
}

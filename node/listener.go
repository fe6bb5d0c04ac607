package node

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

// listener looks after the goroutines that accept, one for each socket. Sockets and
// goroutines outlive its incarnations: a goroutine that waits in Accept can't be told to
// stop waiting without closing the socket. Only one that crashed is started again.
type listener struct{ n *Node }

func (l *listener) Receive(ctx actor.Context) {
	switch msg := ctx.Message().(type) {
	case *actor.Started:
		l.start(ctx)
	case *acceptFailed:
		// Out of descriptors, as a rule: the operator has to do something about it.
		l.n.log.Warn("can't accept connections", "addr", msg.addr, "err", msg.err)
	case *actor.Stopping:
		close(l.n.quit)
		l.n.closeListeners()
	}
}

func (l *listener) start(ctx actor.Context) {
	root, self := ctx.ActorSystem().Root, ctx.Self()
	for _, a := range l.n.acceptors {
		if !a.running.CompareAndSwap(false, true) {
			continue
		}
		supervise.Go(root, self, func() {
			defer a.running.Store(false)
			a.run(root, self)
		})
	}
}

// acceptor is the goroutine of one socket.
type acceptor struct {
	n       *Node
	ln      net.Listener
	running atomic.Bool
}

// run accepts until the socket is closed. It takes a credit before each connection, so
// that no more of them wait in memory than maxWaiting; the rest wait in the kernel.
func (a *acceptor) run(root *actor.RootContext, owner *actor.PID) {
	backoff := acceptBackoffMin
	for {
		select {
		case a.n.intake <- struct{}{}:
		case <-a.n.quit:
			return
		}
		conn, err := a.ln.Accept()
		if err == nil && a.n.door.take(conn) {
			<-a.n.intake
			continue
		}
		if err == nil && a.n.roster.isClosed() {
			_ = conn.Close() // nobody is left to take it
			<-a.n.intake
			return
		}
		if err == nil {
			backoff = acceptBackoffMin
			supervise.Send(root, a.n.handshakes, &accepted{conn})
			continue
		}
		<-a.n.intake
		if a.ended() {
			return
		}
		if backoff == acceptBackoffMin {
			supervise.Send(root, owner, &acceptFailed{addr: a.ln.Addr(), err: err})
		}
		if !a.pause(backoff) {
			return
		}
		backoff = min(2*backoff, acceptBackoffMax)
	}
}

func (a *acceptor) ended() bool {
	select {
	case <-a.n.quit:
		return true
	default:
		return false
	}
}

// pause waits, unless the listener ends first.
func (a *acceptor) pause(d time.Duration) bool {
	over := make(chan struct{})
	timer := a.n.rt.Clock.AfterFunc(d, func() { close(over) })
	defer timer.Stop()
	select {
	case <-over:
		return true
	case <-a.n.quit:
		return false
	}
}

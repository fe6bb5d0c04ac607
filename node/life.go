package node

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/troupe-p2p/troupe/node/asynclog"
)

// Errors of a Node's methods.
var (
	ErrStarted    = errors.New("node was started before")
	ErrStopped    = errors.New("node was stopped")
	ErrNotRunning = errors.New("node is not running")
)

// life is the state of a node between New and the end.
type life struct {
	mu     sync.Mutex
	state  state
	opened bool                    // the parts that Start makes are complete
	ctx    context.Context         // ends when the node begins to stop
	end    context.CancelCauseFunc // ends ctx
	up     chan struct{}           // closes when the root has started its children
	done   chan struct{}           // closes when the root has stopped
}

type state uint8

const (
	stateNew state = iota
	stateStarting
	stateRunning
	stateStopping
)

func newLife() *life {
	l := &life{up: make(chan struct{}), done: make(chan struct{})}
	l.ctx, l.end = context.WithCancelCause(context.Background())
	return l
}

// Start opens the listening sockets, prepares the protocols (protocols.Spec.Provision), and
// starts the actors. ctx is for the start alone. If it ends first, or if Stop is called, the
// start fails. After an error the node has stopped, or begins to stop. A stopped node can't be
// started again.
func (n *Node) Start(ctx context.Context) error {
	if err := n.life.begin(); err != nil {
		return err
	}
	running := false
	defer func() {
		if !running { // also after a panic of a function in Config
			n.startFailed()
		}
	}()
	opening, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(n.life.ctx, func() { cancel(ErrStopped) })()
	if err := n.open(opening); err != nil {
		return err
	}
	if err := n.run(); err != nil {
		return fmt.Errorf("node start: %w", err)
	}
	running = true
	select {
	case <-n.life.up:
		return nil
	case <-ctx.Done():
		n.beginStop()
		return fmt.Errorf("node start: %w", context.Cause(ctx))
	}
}

func (l *life) begin() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch l.state {
	case stateNew:
		l.state = stateStarting
		return nil
	case stateStopping:
		return ErrStopped
	default:
		return ErrStarted
	}
}

// run starts the root, unless Stop was called.
func (n *Node) run() error {
	n.life.mu.Lock()
	defer n.life.mu.Unlock()
	if n.life.state == stateStopping {
		return ErrStopped
	}
	if err := n.spawnRoot(); err != nil {
		return err
	}
	n.life.state, n.life.opened = stateRunning, true
	n.rt.Watch.Start()
	return nil
}

// startFailed undoes what open has done, and ends the node.
func (n *Node) startFailed() {
	n.life.mu.Lock()
	n.life.state = stateStopping
	n.life.mu.Unlock()
	n.life.end(ErrStopped)
	for _, m := range n.offer.Load().Mounted {
		n.cleanup(m)
	}
	n.stopped()
}

// Stop shuts the node down cleanly: it stops accepting and dialing, disconnects its peers as
// 'client quitting', stops the protocols' services side by side, and ends its other actors. That
// takes four seconds at most, however many peers there are and whatever they do, and what a service's
// Spec asks for on top (protocols.Spec.StopTimeout). The log names a service or another actor that
// takes longer than its part of that time, and Stop does not wait for it, unless it writes files. If
// ctx ends first, Stop ends the remaining actors at once and returns ctx's error; see
// [Node.StopTimeout]. A second call waits as well. A node that was never started stops at once. A
// start under way fails, and Stop waits for its end.
func (n *Node) Stop(ctx context.Context) error {
	n.beginStop()
	select {
	case <-n.life.done:
		return nil
	case <-ctx.Done():
	}
	select {
	case <-n.life.done: // both happened
		return nil
	default:
	}
	n.life.mu.Lock()
	defer n.life.mu.Unlock()
	if n.life.opened {
		n.rt.System.Root.Stop(n.pids.root)
	}
	return fmt.Errorf("node stop: %w", context.Cause(ctx))
}

// beginStop begins to stop the node. A second call changes nothing.
func (n *Node) beginStop() {
	n.life.mu.Lock()
	defer n.life.mu.Unlock()
	was := n.life.state
	n.life.state = stateStopping
	n.life.end(ErrStopped)
	switch was {
	case stateNew:
		n.closeDir()
		n.hub.close()
		close(n.life.done)
	case stateRunning:
		n.rt.Send(n.pids.root, &stopNode{begin: n.rt.Clock.Now()})
	}
}

// stopped ends the node. The root calls it once, when all other actors have ended except the
// services that did not stop in time. If the root was never started, Start calls it.
func (n *Node) stopped() {
	defer close(n.life.done)
	defer n.hub.close()
	n.close()
	asynclog.Flush(n.cfg.Logger.Handler(), logTimeout) // the rest is written later, if ever
}

// logTimeout limits how long the end of the node waits for the log's handler.
const logTimeout = 250 * time.Millisecond

// close closes what open has opened.
func (n *Node) close() {
	n.rt.Watch.Stop()
	if n.sockets != nil {
		n.sockets.Close()
	}
	if n.adminSockets != nil {
		n.adminSockets.Close()
	}
	n.record.Close()
	n.rt.Dispatcher.Close()
	if n.ownSystem {
		n.rt.System.Shutdown()
	}
	n.closeDir()
}

// closeDir leaves the data directory to another node.
func (n *Node) closeDir() {
	n.ledger.Close()
	if err := n.dir.Close(); err != nil {
		n.cfg.Logger.Warn("unlocking the data directory failed", "err", err)
	}
}

// Done closes when the node has stopped.
func (n *Node) Done() <-chan struct{} { return n.life.done }

// ifRunning calls f if the node runs. The node does not begin to stop meanwhile. Otherwise
// ifRunning returns [ErrNotRunning].
func (n *Node) ifRunning(f func()) error {
	n.life.mu.Lock()
	defer n.life.mu.Unlock()
	if n.life.state != stateRunning {
		return ErrNotRunning
	}
	f()
	return nil
}

// started returns the result of get, which reads parts that Start makes. Until they are
// complete, it returns before.
func started[T any](n *Node, before T, get func() T) T {
	n.life.mu.Lock()
	defer n.life.mu.Unlock()
	if !n.life.opened {
		return before
	}
	return get()
}

package devnet

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/troupe-p2p/troupe/actors/supervise"
	"github.com/troupe-p2p/troupe/node"
)

const (
	// startsAtOnce is the number of nodes that start at the same time.
	startsAtOnce = 4
	// knownAtStart is the number of bootnodes of a node.
	knownAtStart = 2
	// startTime and stopTime are the timeouts for starting and stopping a node. A node that does
	// not start in time is replaced: the machine is busy.
	startTime = 30 * time.Second
	stopTime  = 5 * time.Second

	// chaosInterval is the interval at which chaos kills or replaces a node, once all nodes
	// have been up. Each node also has actors that panic at an interval between panicMin and panicMax.
	chaosInterval = 2 * time.Second
	panicMin      = 10 * time.Second
	panicMax      = 60 * time.Second
)

// panics lists patterns of the actors that chaos makes panic. Each node gets one of them.
var panics = []string{"*/chat", "*/pinger", "*/dialer", "*/discovery", "*/peers", "*/handshakes", "*/listener", "*/announcer"}

// manager is the actor that starts and stops the nodes.
type manager struct {
	*shared
	root     *actor.RootContext
	self     *actor.PID
	nodes    []*node.Node // running nodes
	missing  int          // nodes to start
	starting int
	stopping int
	absent   int             // killed nodes that chaos replaces on its next tick
	timer    supervise.Timer // timer of chaos; nil without chaos
	ending   bool
}

func (m *manager) Receive(ctx actor.Context) {
	switch msg := ctx.Message().(type) {
	case *actor.Started:
		m.start(ctx)
	case *nodeUp:
		m.nodeUp(msg)
	case *nodeGone:
		m.nodeGone(msg)
	case *chaosTick:
		m.chaosTick()
	case *kill:
		m.kill(msg.n)
	case *finish:
		m.end()
	case *actor.Stopping:
		m.stopTimer()
		return
	case *actor.Stopped:
		m.stopped()
		return
	}
	m.proceed(ctx)
}

func (m *manager) start(ctx actor.Context) {
	m.root, m.self = ctx.ActorSystem().Root, ctx.Self()
	m.missing = m.Nodes
}

// arm starts the timer of chaos.
func (m *manager) arm() {
	if m.Chaos {
		root, self := m.root, m.self
		m.timer = supervise.SystemClock.AfterFunc(chaosInterval, func() { supervise.Send(root, self, &chaosTick{}) })
	}
}

func (m *manager) stopTimer() {
	if m.timer != nil {
		m.timer.Stop()
	}
}

// proceed starts missing nodes. It starts the first one alone, because the others need a
// bootnode.
func (m *manager) proceed(ctx actor.Context) {
	if m.ending {
		if len(m.nodes)+m.starting+m.stopping == 0 {
			ctx.Stop(m.self)
		}
		return
	}
	atOnce := startsAtOnce
	if len(m.nodes) == 0 {
		atOnce = 1
	}
	for m.missing > 0 && m.starting < atOnce {
		m.missing--
		m.starting++
		m.launch()
	}
}

// do runs f in a goroutine. A panic of f counts as a panic of the manager.
func (m *manager) do(f func()) {
	m.working.Add(1)
	supervise.Go(m.root, m.self, func() {
		defer m.working.Done()
		f()
	})
}

// launch starts a node with some of the running nodes as bootnodes.
func (m *manager) launch() {
	var known []*enode.Node
	for _, i := range m.Rand.Perm(len(m.nodes))[:min(knownAtStart, len(m.nodes))] {
		known = append(known, m.nodes[i].Self())
	}
	c := node.Config{
		Listen: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:0")}, MaxPeers: m.MaxPeers,
		Specs: m.Specs(), System: m.system, Logger: m.Logger,
		Discovery:    &node.Discovery{V4: true, V5: true, Bootnodes: known, BootnodesV5: known},
		HolePunching: node.HolePunching{Off: true}, // loopback has no NAT
	}
	if m.Chaos {
		interval := panicMin + time.Duration(m.Rand.Int64N(int64(panicMax-panicMin)))
		c.Chaos = []node.Chaos{{Pattern: panics[m.Rand.IntN(len(panics))], Interval: interval}}
	}
	root, self := m.root, m.self
	m.do(func() {
		n, err := m.run(c)
		supervise.Send(root, self, &nodeUp{node: n, err: err})
	})
}

// run starts a node, and counts its crashes and restarts until it ends.
func (m *manager) run(c node.Config) (*node.Node, error) {
	var err error
	if c.Key, err = node.FreshKey(); err != nil {
		return nil, err
	}
	n, err := node.New(c)
	if err != nil {
		return nil, err
	}
	events := n.Subscribe(context.Background()) // until the node has stopped
	ctx, cancel := context.WithTimeout(m.life, startTime)
	defer cancel()
	if err := n.Start(ctx); err != nil {
		_ = n.Stop(ctx) // stops the actors that did start
		<-n.Done()
		return nil, err
	}
	m.do(func() { m.count(events) })
	return n, nil
}

func (m *manager) count(events <-chan node.Event) {
	for e := range events {
		switch {
		case e.Kind != node.Lifecycle:
		case e.Step.Event == supervise.Failed:
			m.crashes.Add(1)
		case e.Step.Event == supervise.Restarted:
			m.restarts.Add(1)
		}
	}
}

func (m *manager) nodeUp(msg *nodeUp) {
	m.starting--
	if errors.Is(msg.err, context.DeadlineExceeded) {
		m.late.Add(1)
		m.missing++
		return
	}
	if msg.err != nil {
		m.fail(fmt.Errorf("devnet: start a node: %w", msg.err))
		return
	}
	m.nodes = append(m.nodes, msg.node)
	m.publish()
	if m.ending {
		m.stop(len(m.nodes)-1, true, false)
		return
	}
	if len(m.nodes) == m.Nodes && m.whole.CompareAndSwap(0, int64(time.Since(m.begin))) {
		m.arm()
	}
}

// fail ends the net with an error.
func (m *manager) fail(err error) {
	if m.err == nil && !m.ending {
		m.err = err
	}
	m.end()
}

// publish makes the list of running nodes available to Net.
func (m *manager) publish() {
	list := slices.Clone(m.nodes)
	m.up.Store(&list)
}

// stop ends a node. If politely is true, the node disconnects from its peers first.
func (m *manager) stop(i int, politely, replace bool) {
	n := m.nodes[i]
	m.nodes = slices.Delete(m.nodes, i, i+1)
	m.stopping++
	m.publish()
	root, self := m.root, m.self
	m.do(func() {
		ctx, cancel := context.WithTimeout(m.polite, stopTime)
		defer cancel()
		if !politely {
			cancel()
		}
		if n.Stop(ctx) != nil { // ctx ended first: wait until the node is cut off
			<-n.Done()
		}
		supervise.Send(root, self, &nodeGone{replace: replace})
	})
}

func (m *manager) nodeGone(msg *nodeGone) {
	m.stopping--
	if msg.replace {
		m.absent++
	}
}

// chaosTick kills a node on one tick and replaces it on the next.
func (m *manager) chaosTick() {
	if m.ending {
		return
	}
	m.arm()
	switch {
	case m.absent > 0:
		m.missing += m.absent
		m.absent = 0
	case len(m.nodes) > 1: // never the first node, which others use to join
		m.killed.Add(1)
		m.stop(1+m.Rand.IntN(len(m.nodes)-1), m.Rand.IntN(2) == 0, true)
	}
}

func (m *manager) kill(n int) {
	for range min(n, len(m.nodes)) {
		m.killed.Add(1)
		m.want.Add(-1)
		m.stop(m.Rand.IntN(len(m.nodes)), false, false)
	}
}

// end begins to stop all nodes; a second call does nothing.
func (m *manager) end() {
	if m.ending {
		return
	}
	m.ending = true
	m.stopTimer()
	m.endStarts()
	for len(m.nodes) > 0 {
		m.stop(len(m.nodes)-1, true, false)
	}
}

// stopped runs when the actor has stopped. It stops the remaining nodes and closes done.
func (m *manager) stopped() {
	if !m.ending && m.err == nil {
		m.err = errCrashed
	}
	for len(m.nodes) > 0 { // only after a crash
		m.stop(len(m.nodes)-1, true, false)
	}
	close(m.done)
}

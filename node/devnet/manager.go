package devnet

import (
	"context"
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
	// startsAtOnce is how many nodes are being started at the same time.
	startsAtOnce = 4
	// knownAtStart is how many others a node knows when it starts.
	knownAtStart = 2
	// startTime and stopTime are what a node gets.
	startTime = 30 * time.Second
	stopTime  = 5 * time.Second

	// With chaos every mischiefEvery a node is killed or replaced, and each node has actors
	// that panic, at an interval between the two.
	mischiefEvery = 2 * time.Second
	panicMin      = 10 * time.Second
	panicMax      = 60 * time.Second
)

// panics are the actors that chaos makes panic: a kind for each node.
var panics = []string{"*/chat", "*/pinger", "*/dialer", "*/discovery", "*/peers", "*/handshakes", "*/listener", "*/announcer"}

// manager is the actor that has the nodes.
type manager struct {
	*shared
	root     *actor.RootContext
	self     *actor.PID
	nodes    []*node.Node // that run
	missing  int          // to be started
	starting int
	stopping int
	absent   int             // killed, and to be started when chaos has its next turn
	timer    supervise.Timer // of chaos; nil: there is none
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
	case *mischief:
		m.mischief()
	case *kill:
		m.kill(msg.n)
	case *finish:
		m.end()
	case *actor.Stopping:
		m.quiet()
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
	m.arm()
}

// arm sets the timer of chaos.
func (m *manager) arm() {
	if m.Chaos {
		root, self := m.root, m.self
		m.timer = supervise.SystemClock.AfterFunc(mischiefEvery, func() { supervise.Send(root, self, &mischief{}) })
	}
}

func (m *manager) quiet() {
	if m.timer != nil {
		m.timer.Stop()
	}
}

// proceed starts nodes that are missing, the first one alone: it is who the others know.
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

// do runs f in a goroutine, whose panic is ours.
func (m *manager) do(f func()) {
	m.working.Add(1)
	supervise.Go(m.root, m.self, func() {
		defer m.working.Done()
		f()
	})
}

// launch starts a node that knows some of those that are up.
func (m *manager) launch() {
	var known []*enode.Node
	for _, i := range m.Rand.Perm(len(m.nodes))[:min(knownAtStart, len(m.nodes))] {
		known = append(known, m.nodes[i].Self())
	}
	c := node.Config{
		Listen: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:0")}, MaxPeers: m.MaxPeers,
		Specs: m.Specs(), System: m.system, Logger: m.Logger,
		Discovery:    &node.Discovery{V4: true, V5: true, Bootnodes: known, BootnodesV5: known},
		HolePunching: node.HolePunching{Off: true}, // there is no NAT on loopback
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

// run starts a node and counts its crashes until it ends.
func (m *manager) run(c node.Config) (*node.Node, error) {
	var err error
	if c.Key, err = node.FreshKey(); err != nil {
		return nil, err
	}
	n, err := node.New(c)
	if err != nil {
		return nil, err
	}
	events := n.Subscribe(context.Background()) // until it has stopped
	ctx, cancel := context.WithTimeout(context.Background(), startTime)
	defer cancel()
	if err := n.Start(ctx); err != nil {
		_ = n.Stop(ctx) // nothing, or what is left of it
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
	if msg.err != nil {
		m.fail(fmt.Errorf("devnet: a node could not be started: %w", msg.err))
		return
	}
	m.nodes = append(m.nodes, msg.node)
	m.publish()
	if m.ending {
		m.stop(len(m.nodes)-1, true, false)
	}
}

// fail ends the net over an error.
func (m *manager) fail(err error) {
	if m.err == nil && !m.ending {
		m.err = err
	}
	m.end()
}

// publish puts out which nodes run.
func (m *manager) publish() {
	list := slices.Clone(m.nodes)
	m.up.Store(&list)
}

// stop ends a node. Politely, it says good-bye to its peers.
func (m *manager) stop(i int, politely, replace bool) {
	n := m.nodes[i]
	m.nodes = slices.Delete(m.nodes, i, i+1)
	m.stopping++
	m.publish()
	root, self := m.root, m.self
	m.do(func() {
		ctx, cancel := context.WithTimeout(context.Background(), stopTime)
		defer cancel()
		if !politely {
			cancel()
		}
		if n.Stop(ctx) != nil { // it is cut off
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

// mischief kills a node and the next time lets another come in its place, in turn.
func (m *manager) mischief() {
	if m.ending {
		return
	}
	m.arm()
	switch {
	case m.absent > 0:
		m.missing += m.absent
		m.absent = 0
	case len(m.nodes) > 1: // never the first one, by which others join
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

// end begins the end of all nodes; a second call changes nothing.
func (m *manager) end() {
	if m.ending {
		return
	}
	m.ending = true
	m.quiet()
	for len(m.nodes) > 0 {
		m.stop(len(m.nodes)-1, true, false)
	}
}

// stopped is the very end.
func (m *manager) stopped() {
	if !m.ending && m.err == nil {
		m.err = errCrashed
	}
	for len(m.nodes) > 0 { // after a crash
		m.stop(len(m.nodes)-1, true, false)
	}
	close(m.done)
}

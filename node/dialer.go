package node

import (
	"encoding/binary"
	"io"
	"math/rand/v2"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/troupe-p2p/troupe/actors/supervise"
	"github.com/troupe-p2p/troupe/nat/netaddr"
	"github.com/troupe-p2p/troupe/node/discovery"
)

// maxPause is how long the dialer sleeps at most.
const maxPause = time.Hour

// dialer keeps links to the static nodes, and looks for peers while there is room. What to
// dial when is in dialPlan, which outlives it.
type dialer struct {
	n     *Node
	timer Timer
	// lastErr is what the operator was told about a static node, so that he is told once.
	lastErr map[enode.ID]string

	sources []*source
	lookout lookout
}

func (d *dialer) Receive(ctx actor.Context) {
	now := d.n.rt.Clock.Now()
	switch msg := ctx.Message().(type) {
	case *actor.Started:
		d.start(ctx, now)
	case *addStatic:
		d.n.plan.add(msg.node, d.n.roster.member(msg.node.ID()) != nil, now)
	case *removeStatic:
		d.remove(ctx, msg.id)
	case *linkUp:
		d.n.plan.linked(msg.id, msg.inbound, now)
		delete(d.lastErr, msg.id)
	case *linkDown:
		d.n.plan.unlinked(msg, now)
	case *setupEnded:
		d.n.plan.ended(msg.ticket, causeOfSetup(msg.err), now)
		if msg.punched && msg.err == nil {
			d.n.plan.stats.punched++
		}
		d.explain(msg)
	case *discovery.Candidate:
		d.consider(msg, now)
	case *discovery.Resolved:
		d.found(msg, now)
	case *dialDue:
	case *actor.Stopping, *actor.Restarting:
		d.timer.Stop()
		return
	default:
		return
	}
	d.proceed(ctx, now)
}

func (d *dialer) start(ctx actor.Context, now time.Time) {
	d.lastErr = map[enode.ID]string{}
	d.n.plan.began(now)
	if d.n.cfg.Candidates != nil {
		d.sources = append(d.sources, &source{pid: d.n.candidates, own: true})
	}
	if d.n.cfg.Discovery.on() {
		d.sources = append(d.sources, &source{pid: d.n.discovery})
	}
	for _, s := range d.sources {
		s.withdraw(ctx) // what an earlier incarnation asked for
	}
}

// proceed does what is to be done now, and sets the timer for what comes next.
func (d *dialer) proceed(ctx actor.Context, now time.Time) {
	plan := d.n.plan
	room := d.n.roster.dialRoom(plan.starved(now))
	for _, next := range plan.start(now, room.dials()) {
		supervise.Send(ctx, d.n.handshakes, &startDial{dial: next})
	}
	if d.n.cfg.Discovery.speaks() {
		for _, n := range plan.lost(now) {
			supervise.Send(ctx, d.n.discovery, &discovery.Resolve{Node: n, To: ctx.Self()})
		}
	}
	wait := maxPause // there is always a timer, which spares the cases without
	if hunger := plan.starvesIn(now); hunger > 0 {
		wait = min(wait, hunger)
	}
	if dials, ok := plan.wait(now, room.dials()); ok {
		wait = min(wait, dials)
	}
	if d.n.cfg.looks() {
		wait = min(wait, d.ask(ctx, room, now), d.tell(room, now))
	}
	if d.timer != nil {
		d.timer.Stop()
	}
	self, root := ctx.Self(), ctx.ActorSystem().Root
	d.timer = d.n.rt.Clock.AfterFunc(wait, func() { supervise.Send(root, self, &dialDue{}) })
}

// ask asks the sources for candidates if there is room for peers, and says when to look
// again.
func (d *dialer) ask(ctx actor.Context, room room, now time.Time) time.Duration {
	missing := maxCandidates - len(d.n.plan.pool)
	if room.free() <= 0 || missing <= 0 {
		// Or the sources would go on searching for what nobody dials.
		for _, s := range d.sources {
			if s.outstanding > 0 {
				s.withdraw(ctx)
			}
		}
		return maxPause
	}
	again := maxPause
	for _, s := range d.sources {
		if wait := s.wait(now); wait > 0 {
			again = min(again, wait)
			continue
		}
		s.ask(ctx, (missing+len(d.sources)-1)/len(d.sources), now)
		again = min(again, s.wait(now))
	}
	return again
}

// consider takes in a candidate.
func (d *dialer) consider(msg *discovery.Candidate, now time.Time) {
	useful := d.n.plan.offer(msg.Node, now) == nil
	for _, s := range d.sources {
		if s.own == (msg.Source == sourceConfig) {
			s.came(useful)
		}
	}
}

// found takes in where a static node is by now.
func (d *dialer) found(msg *discovery.Resolved, now time.Time) {
	if msg.Node == nil {
		return
	}
	if addrs := d.n.plan.foundAt(msg.Node, now); addrs != nil {
		d.n.roster.locate(msg.ID, addrs)
		d.n.log.Info("static node is elsewhere", "id", msg.ID.TerminalString(), "addr", netaddr.Endpoints(msg.Node))
	}
}

// tell tells the operator now and then how the search goes, as long as there are few
// peers. It says when to look again.
func (d *dialer) tell(room room, now time.Time) time.Duration {
	plan := d.n.plan
	looking := room.free() > 0 && room.outbound < fewPeers
	if d.lookout.due(looking, now) {
		d.n.log.Info("looking for peers", append([]any{
			"peers", d.n.roster.size(), "under_way", len(plan.active), "waiting", len(plan.pool),
		}, plan.stats.attrs()...)...)
	}
	if !looking {
		plan.stats = dialStats{}
		return maxPause
	}
	return d.lookout.next.Sub(now)
}

func (d *dialer) remove(ctx actor.Context, id enode.ID) {
	delete(d.lastErr, id)
	if ticket := d.n.plan.remove(id); ticket != 0 {
		supervise.Send(ctx, d.n.handshakes, &cancelDial{ticket: ticket})
	}
}

// explain tells the operator why a static node has no link: the first time, and when the
// reason changes. An attempt that crossed one of the other side is no failure.
func (d *dialer) explain(msg *setupEnded) {
	if msg.err == nil || !d.n.roster.markOf(msg.id).static || d.n.roster.member(msg.id) != nil {
		return
	}
	text := msg.err.Error()
	if d.lastErr[msg.id] == text {
		return
	}
	d.lastErr[msg.id] = text
	d.n.log.Info("static node not reached, will go on trying", "id", msg.id.TerminalString(), "reason", text)
}

// jitterFrom makes a source of jitter, seeded once: a configured source of randomness may
// be slow, or belong to somebody's test.
func jitterFrom(r io.Reader) func() float64 {
	var seed [16]byte
	if _, err := io.ReadFull(r, seed[:]); err != nil {
		return rand.Float64
	}
	source := rand.New(rand.NewPCG(binary.LittleEndian.Uint64(seed[:8]), binary.LittleEndian.Uint64(seed[8:])))
	return source.Float64
}

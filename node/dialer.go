package node

import (
	"encoding/binary"
	"io"
	"math/rand/v2"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/troupe-p2p/troupe/actors"
)

const (
	// askPauseMin is how often the dialer asks for candidates at most. Where none is worth a
	// dial for now, it would go round in circles; the pause then doubles up to askPauseMax.
	askPauseMin = time.Second
	askPauseMax = 8 * time.Second
	// askPatience is how long it waits for what it asked for before it asks anew: whoever
	// was to answer may have been restarted.
	askPatience = 30 * time.Second
	// maxPause is how long it sleeps at most.
	maxPause = time.Hour
)

// dialer keeps links to the static nodes, and looks for peers while there is room. What to
// dial when is in dialPlan, which outlives it.
type dialer struct {
	n     *Node
	timer Timer
	// lastErr is what the operator was told about a static node, so that he is told once.
	lastErr map[enode.ID]string

	// Candidates that were asked for and have not come, when that was, and whether any that
	// came since was worth a dial.
	outstanding int
	asked       time.Time
	pause       time.Duration
	useful      bool
	lookout     lookout
}

func (d *dialer) Receive(ctx actor.Context) {
	now := d.n.clock.Now()
	switch msg := ctx.Message().(type) {
	case *actor.Started:
		d.lastErr = map[enode.ID]string{}
		d.n.plan.began(now)
	case *addStatic:
		d.n.plan.add(msg.node, d.n.roster.member(msg.node.ID()) != nil, now)
	case *removeStatic:
		d.remove(ctx, msg.id)
	case *linkUp:
		d.n.plan.linked(msg.id, msg.inbound, now)
		delete(d.lastErr, msg.id)
	case *linkDown:
		d.n.plan.unlinked(msg.id, msg.cause, msg.lived, now)
	case *setupEnded:
		d.n.plan.ended(msg.ticket, causeOfSetup(msg.err), now)
		d.explain(msg)
	case *foundNode:
		d.consider(msg.node, now)
	case *dialDue:
	case *actor.Stopping, *actor.Restarting:
		d.timer.Stop()
		return
	default:
		return
	}
	d.proceed(ctx, now)
}

// proceed does what is to be done now, and sets the timer for what comes next.
func (d *dialer) proceed(ctx actor.Context, now time.Time) {
	plan := d.n.plan
	room := d.n.roster.dialRoom(plan.starved(now))
	for _, next := range plan.start(now, room.dials()) {
		actors.Send(ctx, d.n.handshakes, &startDial{dial: next})
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
	d.timer = d.n.clock.AfterFunc(wait, func() { actors.Send(root, self, &dialDue{}) })
}

// ask asks for candidates if there is room for peers, and says when to look again.
func (d *dialer) ask(ctx actor.Context, room room, now time.Time) time.Duration {
	missing := maxCandidates - len(d.n.plan.pool)
	if room.free() <= 0 || missing <= 0 {
		return maxPause
	}
	again := d.asked.Add(d.pause)
	if d.outstanding > 0 {
		again = d.asked.Add(askPatience)
	}
	if wait := again.Sub(now); wait > 0 {
		return wait
	}
	d.pause = min(2*d.pause, askPauseMax)
	if d.useful || d.pause == 0 {
		d.pause = askPauseMin
	}
	d.asked, d.outstanding, d.useful = now, missing, false
	actors.Send(ctx, d.n.candidates, &wantNodes{n: missing, to: ctx.Self()})
	return askPatience
}

// consider takes in a candidate.
func (d *dialer) consider(n *enode.Node, now time.Time) {
	d.outstanding = max(0, d.outstanding-1)
	if d.n.plan.offer(n, now) == nil {
		d.useful = true
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
		actors.Send(ctx, d.n.handshakes, &cancelDial{ticket: ticket})
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

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

// dialer keeps links to the static nodes. What to dial when is in dialPlan, which
// outlives it.
type dialer struct {
	n     *Node
	timer Timer
	// lastErr is what the operator was told about a node, so that he is told once.
	lastErr map[enode.ID]string
}

func (d *dialer) Receive(ctx actor.Context) {
	now := d.n.clock.Now()
	switch msg := ctx.Message().(type) {
	case *actor.Started:
		d.lastErr = map[enode.ID]string{}
	case *addStatic:
		d.n.plan.add(msg.node, d.n.roster.member(msg.node.ID()) != nil, now)
	case *removeStatic:
		d.remove(ctx, msg.id)
	case *linkUp:
		d.n.plan.linked(msg.id, now)
		delete(d.lastErr, msg.id)
	case *linkDown:
		d.n.plan.unlinked(msg.id, now)
	case *setupEnded:
		d.n.plan.ended(msg.id, msg.ticket, msg.err == nil, now)
		d.explain(msg)
	case *dialDue:
	case *actor.Stopping, *actor.Restarting:
		d.timer.Stop()
		return
	default:
		return
	}
	d.proceed(ctx, now)
}

// proceed starts what is due, and sets the timer for what comes next.
func (d *dialer) proceed(ctx actor.Context, now time.Time) {
	for _, next := range d.n.plan.start(now) {
		actors.Send(ctx, d.n.handshakes, &startDial{dial: next})
	}
	if d.timer != nil {
		d.timer.Stop()
	}
	wait, ok := d.n.plan.wait(now)
	if !ok {
		wait = time.Hour // there is always a timer, which spares the cases without
	}
	self, root := ctx.Self(), ctx.ActorSystem().Root
	d.timer = d.n.clock.AfterFunc(wait, func() { actors.Send(root, self, &dialDue{}) })
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
	if msg.err == nil || d.n.roster.member(msg.id) != nil {
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

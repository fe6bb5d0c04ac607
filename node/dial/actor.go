package dial

import (
	"slices"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/troupe-p2p/troupe/actors/supervise"
	"github.com/troupe-p2p/troupe/nat/netaddr"
	"github.com/troupe-p2p/troupe/node/discovery"
	"github.com/troupe-p2p/troupe/node/peers"
	"github.com/troupe-p2p/troupe/node/setup"
)

// maxPause is the longest time between two checks of the plan.
const maxPause = time.Hour

// placeRecord names the addresses of a node's newest record (peers.Table.Locate).
const placeRecord = "record"

// maxExplained limits the reasons remembered for a static node, which may have many addresses.
const maxExplained = 2 * peers.MaxPlaces

// dialer is the actor that carries out the plan.
type dialer struct {
	*Dialer
	timer supervise.Timer
	// explained are the last errors logged for a static node, so that each reason is logged once.
	explained map[enode.ID][]string

	sources []*source
	report  reporter
}

func (d *dialer) Receive(ctx actor.Context) {
	now := d.Runtime.Clock.Now()
	switch msg := ctx.Message().(type) {
	case *actor.Started:
		d.start(ctx, now)
	case *AddStatic:
		d.plan.add(msg.Node, d.Table.Member(msg.Node.ID()) != nil, now)
	case *RemoveStatic:
		d.remove(ctx, msg.ID)
	case *peers.LinkUp:
		d.plan.linked(msg.ID, msg.Inbound, now)
		delete(d.explained, msg.ID)
	case *peers.LinkDown:
		d.plan.unlinked(msg, now)
	case *supervise.Resumed:
		d.plan.resumed(now)
	case *peers.SetupEnded:
		if msg.Stalled {
			d.plan.excuse(msg.Ticket, outcomeOfDial(msg.Err), now)
		} else {
			d.plan.ended(msg.Ticket, outcomeOfDial(msg.Err), now)
		}
		if msg.Punched && msg.Err == nil {
			d.plan.stats.addPunched()
		}
		d.explain(msg)
	case *discovery.Candidate:
		d.consider(msg, now)
	case *discovery.Resolved:
		d.resolved(msg, now)
	case *due:
	case *actor.Stopping, *actor.Restarting:
		d.timer.Stop()
		return
	default:
		return
	}
	d.proceed(ctx, now)
}

func (d *dialer) start(ctx actor.Context, now time.Time) {
	d.explained = map[enode.ID][]string{}
	d.plan.began(now)
	if d.Candidates != nil {
		d.sources = append(d.sources, &source{pid: d.Iterator, own: true})
	}
	if d.Discovery != nil {
		d.sources = append(d.sources, &source{pid: d.Discovery})
	}
	for _, s := range d.sources {
		s.withdraw(ctx) // the requests from before a crash
	}
}

// proceed starts the dials and requests that are due now, and sets the timer for the next ones. A
// node that stops has closed the table: its links end, and are not replaced.
func (d *dialer) proceed(ctx actor.Context, now time.Time) {
	room := d.Table.DialRoom(d.plan.starved(now))
	for _, ticket := range d.plan.hung(now) {
		supervise.Send(ctx, d.Setup, &setup.CancelDial{Ticket: ticket})
	}
	closed := d.Table.Closed()
	if !closed {
		for _, next := range d.plan.start(now, room.Dials()) {
			supervise.Send(ctx, d.Setup, &setup.StartDial{Node: next.node, Ticket: next.ticket, Static: next.static})
		}
	}
	if d.Resolves {
		for _, n := range d.plan.lost(now) {
			supervise.Send(ctx, d.Discovery, &discovery.Resolve{Node: n, To: ctx.Self()})
		}
	}
	wait := maxPause // a timer is always set, which avoids the cases without one
	if starved := d.plan.starvesIn(now); starved > 0 {
		wait = min(wait, starved)
	}
	if dials, ok := d.plan.wait(now, room.Dials()); ok && !closed {
		wait = min(wait, dials)
	}
	if hangs, ok := d.plan.hangsIn(now); ok {
		wait = min(wait, hangs)
	}
	if lost, ok := d.plan.lostIn(now); ok && d.Resolves {
		wait = min(wait, lost)
	}
	if d.looks() {
		wait = min(wait, d.ask(ctx, room, now), d.reportSearch(room, now))
	}
	d.plan.stats.setGauges(len(d.plan.active), len(d.plan.waiting), len(d.plan.targets))
	if d.timer != nil {
		d.timer.Stop()
	}
	d.timer = d.Runtime.After(wait, ctx.Self(), &due{})
}

// ask requests candidates from the sources if there is room for peers. It returns the time
// until the next check.
func (d *dialer) ask(ctx actor.Context, room peers.Room, now time.Time) time.Duration {
	missing := maxCandidates - len(d.plan.waiting)
	if room.Free() <= 0 || missing <= 0 {
		// Otherwise the sources would continue to search for nodes that are not dialed.
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

// consider offers a candidate to the plan.
func (d *dialer) consider(msg *discovery.Candidate, now time.Time) {
	useful := d.plan.offer(msg.Node, now) == nil
	for _, s := range d.sources {
		if s.own == (msg.Source == sourceConfig) {
			s.received(useful)
		}
	}
}

// resolved takes the newest record of a static node.
func (d *dialer) resolved(msg *discovery.Resolved, now time.Time) {
	if d.plan.resolved(msg.ID, msg.Node, now) {
		d.Table.Locate(msg.ID, placeRecord, netaddr.Addrs(msg.Node))
		d.Logger.Info("static node has a new address", "id", msg.ID.TerminalString(), "addr", netaddr.Endpoints(msg.Node))
	}
}

// reportSearch logs the state of the search at intervals, while there are few peers. It returns
// the time until the next check.
func (d *dialer) reportSearch(room peers.Room, now time.Time) time.Duration {
	looking := room.Free() > 0 && room.Outbound < fewPeers
	if d.report.due(looking, now) {
		d.Logger.Info("looking for peers", append([]any{
			"peers", d.Table.Size(), "under_way", len(d.plan.active), "waiting", len(d.plan.waiting),
		}, d.plan.stats.snapshot().since(d.report.base).attrs()...)...)
	}
	if !looking {
		d.report.base = d.plan.stats.snapshot()
		return maxPause
	}
	return d.report.next.Sub(now)
}

func (d *dialer) remove(ctx actor.Context, id enode.ID) {
	delete(d.explained, id)
	if ticket := d.plan.remove(id); ticket != 0 {
		supervise.Send(ctx, d.Setup, &setup.CancelDial{Ticket: ticket})
	}
}

// explain logs why a static node has no link, the first time and when the reason changes. A
// dial that ended because the remote dialed at the same time is not a failure.
func (d *dialer) explain(msg *peers.SetupEnded) {
	if msg.Err == nil || !d.Table.KnownOf(msg.ID).Static || d.Table.Member(msg.ID) != nil {
		return
	}
	text, known := msg.Err.Error(), d.explained[msg.ID]
	if slices.Contains(known, text) {
		return
	}
	if len(known) == maxExplained {
		known = known[1:]
	}
	d.explained[msg.ID] = append(slices.Clip(known), text)
	d.Logger.Info("dialing a static node failed, will try again", "id", msg.ID.TerminalString(), "reason", text)
}

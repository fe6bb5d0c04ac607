package record

import (
	"reflect"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/troupe-p2p/troupe/actors/supervise"
	"github.com/troupe-p2p/troupe/nat"
	"github.com/troupe-p2p/troupe/node/punch"
)

// announcer is the actor that keeps the record and its files up to date.
type announcer struct {
	*Record
	timer  supervise.Timer
	logged string    // the last error of the record that was logged
	open   bool      // the last value sent to the puncher
	status NATStatus // as last written
}

// renewEvery is the interval between two checks for changes that no message reports: peers or
// protocols may have changed the record, and there may be more calls to count.
const renewEvery = 5 * time.Second

// beliefs are the log messages for a new classification of the node's NAT.
var beliefs = map[punch.NAT]string{
	punch.Unknown:             "NAT unknown: too few neighbours report the endpoint that they observe",
	punch.Open:                "no NAT: other nodes can reach this one directly",
	punch.EndpointIndependent: "behind a NAT with endpoint-independent mapping: other nodes reach this one by hole punching",
	punch.AddressDependent:    "behind a NAT with address-dependent mapping: hole punching works for UDP to some nodes, and for TCP only to nodes that are open",
}

func (a *announcer) Receive(ctx actor.Context) {
	switch msg := ctx.Message().(type) {
	case *actor.Started, *Due:
		a.renew(ctx)
		a.keepStatus()
	case *addressFound:
		a.addressFound(ctx, msg.address)
	case *natChanged:
		a.natStatus.Store(&msg.status)
		a.keepStatus()
	case *PuncherUp:
		a.open = false // the puncher's initial assumption
		a.notifyPuncher(false)
	case *punchChanged:
		a.punchChanged(ctx, msg.state)
	case *actor.Restarting:
		a.timer.Stop()
	case *actor.Stopping:
		a.timer.Stop()
		a.removeStatus()
	}
}

// addressFound makes a new record if the address is new.
func (a *announcer) addressFound(ctx actor.Context, outside nat.ExternalAddress) {
	a.outside = outside
	a.renew(ctx, "method", outside.Method, "router", outside.Router, "confidence", outside.Confidence)
}

// renew makes a new record if anything has changed. It sets the timer for the next check,
// because peers and protocols change the record without a message.
func (a *announcer) renew(ctx actor.Context, why ...any) {
	if a.timer != nil {
		a.timer.Stop()
	}
	a.timer = a.Runtime.After(renewEvery, ctx.Self(), &Due{})
	changed, err := a.Record.renew(a.Node())
	switch {
	case err == nil:
		a.logged = ""
	case a.logged != err.Error(): // log once, not every few seconds
		a.logged = err.Error()
		a.Logger.Error("renewing the node record failed", "err", err)
	}
	if err != nil {
		a.counters.failed.Add(1)
	}
	a.keep()
	a.notifyPuncher(changed)
	if changed {
		n := a.Node()
		a.counters.renewed.Add(1)
		a.Logger.Info("node record changed", append([]any{"url", a.URL(), "seq", n.Seq()}, why...)...)
		a.Changed(n)
	}
}

// notifyPuncher sends the puncher the changes of the record that concern it.
func (a *announcer) notifyPuncher(renewed bool) {
	if a.Punch == nil {
		return
	}
	if open := a.endpoint().open(a.outside); open != a.open {
		a.open = open
		a.Runtime.Send(a.Puncher, &punch.Mapped{Open: open})
	}
	if renewed {
		a.Runtime.Send(a.Puncher, &punch.Renewed{})
	}
}

// punchChanged handles a new state of the puncher. If only the calls have changed, the next
// check writes them.
func (a *announcer) punchChanged(ctx actor.Context, now punch.State) {
	var before punch.State
	if was := a.reach.Swap(&now); was != nil {
		before = *was
	}
	if now.Belief != before.Belief {
		a.Logger.Info(beliefs[now.Belief], "nat", now.Belief)
	}
	if now.Belief == before.Belief && now.Observed == before.Observed && now.TCP == before.TCP {
		return
	}
	a.Reachable(now)
	a.renew(ctx, "nat", now.Belief)
	a.keepStatus()
}

// keepStatus writes nat.json if its content has changed.
func (a *announcer) keepStatus() {
	if a.DataDir == "" {
		return
	}
	s := a.Status()
	if reflect.DeepEqual(s, a.status) {
		return
	}
	a.counters.wrote.Add(1)
	if a.writeStatus(s) { // otherwise the next check tries again
		a.status = s
	}
}

// removeStatus removes nat.json, unless mappings may be left at a router.
func (a *announcer) removeStatus() {
	withoutRouter := a.Punch != nil && a.natStatus.Load() == nil
	if a.DataDir == "" || !a.natGone.Load() && !withoutRouter {
		return
	}
	if err := removeStatus(a.DataDir); err != nil {
		a.Logger.Warn("removing the NAT status failed", "err", err)
	}
}

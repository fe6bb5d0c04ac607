package punch

import (
	"context"
	"encoding/hex"
	"net/netip"
	"slices"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/troupe-p2p/troupe/actors/supervise"
)

const (
	// maxCalls is how many calls of this node run at the same time, and maxAnswers how many of other nodes.
	maxCalls, maxAnswers = 8, 16
	// maxRelays is how many neighbours are asked for a call.
	maxRelays = 6
)

// Props returns the props of the puncher. Spawn it once, under a supervisor that restarts it.
func (s *Service) Props() *actor.Props {
	return supervise.PropsOf(func() actor.Actor { return &puncher{Service: s} }, s.cfg.Journal, actor.WithSupervisor(supervise.EndFailed{Journal: s.cfg.Journal}))
}

// puncher is the actor that finds out which NAT the node is behind, says HELLO to neighbours, and has an actor for
// each call.
type puncher struct {
	*Service
	root   *actor.RootContext
	self   *actor.PID
	ctx    context.Context // ends with the incarnation
	cancel context.CancelFunc

	plan          relayPlan
	tcpEndpoint   netip.AddrPort             // the node's TCP endpoint as a neighbour saw it
	portPending   bool                       // findPort is under way
	portFor       netip.AddrPort             // the UDP endpoint for which findPort ran
	portRetryAt   time.Time                  // when findPort runs again, after a failure
	urlNeighbours map[enode.ID]*urlNeighbour // neighbours of which discovery only knows a URL
	lastPings     time.Time                  // when neighbours that do not take part were pinged
	lastHelloPing time.Time                  // when a node was pinged because it said HELLO
	timer         supervise.Timer

	helloRepeats  int       // how often the first HELLOs were repeated
	helloRepeatAt time.Time // when to repeat them next; zero: no neighbour has answered yet

	stopped   bool                     // begin nothing more
	calls     map[enode.ID]*activeCall // by target
	connected map[enode.ID]time.Time   // by caller: until when it may begin RLPx on its connection
	answers   map[enode.ID]*activeCall // by caller
	published State
}

// activeCall is a call or an answer that has an actor.
type activeCall struct {
	pid *actor.PID
	// Of a call:
	asker        *actor.PID
	ours, theirs NAT
	// Of an answer:
	token        token // the call's
	openReceived bool
}

func (p *puncher) Receive(ctx actor.Context) {
	if p.stopped {
		p.decline(ctx.Message())
		return
	}
	now := p.cfg.Clock.Now()
	switch msg := ctx.Message().(type) {
	case *actor.Started:
		p.start(ctx)
	case *due:
	case *helloAnswered:
		p.helloAnswered(msg, now)
	case *pingAnswered:
		if msg.err == nil {
			p.observe(msg.by, msg.observed, now)
		}
	case *secondPortSaw:
		p.forget(msg.token)
		p.observe(msg.by, msg.observed, now)
	case *helloReceived:
		p.helloReceived(msg, now)
		return // not proceed, here and below: what other nodes send makes nothing due
	case *rung:
		p.rung(ctx, msg, now)
		return
	case *openAsked:
		p.openAsked(ctx, msg)
		return
	case *recordReceived:
		p.recordReceived(msg, now)
	case *tcpSeen:
		p.tcpSeen(msg)
	case *Mapped:
		p.belief.mapped(msg.Open)
	case *Renewed:
		p.plan.helloAll()
	case *Reach:
		p.reach(ctx, msg, now)
	case *callYielded:
		p.answer(ctx, msg.asked)
	case *callEnded:
		p.callEnded(ctx, msg, now)
	case *answerEnded:
		p.answerEnded(ctx, msg)
	case *actor.Terminated:
		p.terminated(msg.Who, now)
	case *actor.Restarting, *actor.Stopping:
		p.end()
		return
	default:
		return
	}
	p.proceed(now)
}

// start begins an incarnation.
func (p *puncher) start(ctx actor.Context) {
	p.root, p.self = ctx.ActorSystem().Root, ctx.Self()
	p.ctx, p.cancel = context.WithCancel(context.Background())
	p.calls, p.answers, p.connected = map[enode.ID]*activeCall{}, map[enode.ID]*activeCall{}, map[enode.ID]time.Time{}
	p.urlNeighbours = map[enode.ID]*urlNeighbour{}
	p.published = p.State()
	p.secondPort.open(p.Service, p.spawn)
	p.puncher.Store(&actorRef{p.root, p.self})
}

// decline answers the messages that come while the actors of calls stop. An actor that was started then would never
// be stopped.
func (p *puncher) decline(msg any) {
	switch msg := msg.(type) {
	case *Reach:
		supervise.Send(p.root, msg.To, &Reached{ID: msg.Node.ID(), Err: ErrDown})
	case *openAsked:
		msg.reply <- openAnswer{Status: refused}
	case *callEnded:
		if msg.conn != nil {
			msg.conn.Drop()
		}
	}
}

// end releases everything, so that a next incarnation has nothing to clean up. The runtime stops the actors of
// the calls.
func (p *puncher) end() {
	for id, u := range p.calls {
		supervise.Send(p.root, u.asker, &Reached{ID: id, Err: ErrDown})
	}
	p.stopped = true
	p.cancel()
	p.puncher.Store(nil)
	p.chosen.Store(nil)
	if p.timer != nil {
		p.timer.Stop()
	}
	p.secondPort.close()
}

func (p *puncher) tell(msg any) { supervise.Send(p.root, p.self, msg) }

func (p *puncher) spawn(f func()) { supervise.Go(p.root, p.self, f) }

// proceed says the HELLOs that are due, publishes changes, and sets the timer for the next turn.
func (p *puncher) proceed(now time.Time) {
	again := p.repeatHellos(now)
	for _, n := range p.plan.next(now, p.neighbours(now), p.belief.nat(now) != Open) {
		p.hello(n, false)
	}
	chosen := p.plan.choices()
	p.chosen.Store(&chosen)
	p.pingNeighbours(now)
	p.findPort()
	p.publishChange(now)
	if p.timer != nil {
		p.timer.Stop()
	}
	p.timer = p.cfg.Clock.AfterFunc(min(again, p.plan.wait(now)), func() { p.tell(&due{}) })
}

// publishChange publishes the state if it has changed.
func (p *puncher) publishChange(now time.Time) {
	s := State{
		Belief: p.belief.nat(now), Observed: p.belief.endpoint(now), TCP: p.tcpEndpoint,
		Calls: p.published.Calls, Rung: p.published.Rung,
	}
	for _, n := range p.plan.relays(now) {
		s.Relays = append(s.Relays, n.ID())
	}
	if s.Belief == p.published.Belief && s.Observed == p.published.Observed && s.TCP == p.published.TCP && slices.Equal(s.Relays, p.published.Relays) {
		return
	}
	p.publish(s)
}

// publish makes a state visible to other goroutines. Its maps and slices are never written to again.
func (p *puncher) publish(s State) {
	p.published = s
	p.state.Store(&s)
	if p.cfg.Changed != nil {
		p.cfg.Changed(p.State())
	}
}

// name returns the name of a call's actor.
func name(kind string, id enode.ID) string { return kind + "-" + hex.EncodeToString(id[:4]) }

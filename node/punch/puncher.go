package punch

import (
	"context"
	"encoding/hex"
	"errors"
	"io"
	"net/netip"
	"slices"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/troupe-p2p/troupe/actors"
)

const (
	// maxCalls and maxAnswers are how many calls go on at the same time, ours and others'.
	maxCalls, maxAnswers = 8, 16
	// maxRelays is how many neighbours are asked for a call, and maxPinged how many are pinged
	// at a time that don't take part.
	maxRelays, maxPinged = 6, 3
	// lookAround is how often neighbours that don't take part are pinged for what they see,
	// while those that do are too few to know.
	lookAround = 30 * time.Second
	// portTime is what one neighbour may take to say which TCP port of ours it sees, and portAgain is
	// how soon they are asked again when none did.
	portTime, portAgain = 3 * time.Second, time.Minute
)

// Props makes the puncher. It is to be spawned once, under a supervisor that restarts it.
func (d *Desk) Props() *actor.Props {
	return actors.PropsOf(func() actor.Actor { return &puncher{Desk: d} }, d.cfg.Journal, actor.WithSupervisor(actors.EndFailed{Journal: d.cfg.Journal}))
}

// puncher is the actor that knows what NAT we are behind, keeps neighbours told of it, and
// has an actor for each call.
type puncher struct {
	*Desk
	root   *actor.RootContext
	self   *actor.PID
	ctx    context.Context // ends with the incarnation
	cancel context.CancelFunc

	plan    relayPlan
	tcp     netip.AddrPort             // our TCP endpoint as a neighbour saw it
	probing bool                       // that is being found out
	probed  netip.AddrPort             // the UDP endpoint for which it was
	again   time.Time                  // when to try again, after a failure
	met     map[enode.ID]*acquaintance // neighbours that we have URLs of
	pinged  time.Time                  // when neighbours that don't take part were pinged
	asked   time.Time                  // when one was that had said HELLO
	timer   actors.Timer

	insisted int       // HELLOs that were said again soon
	insistAt time.Time // when to say the next one; zero: no neighbour has answered yet

	over    bool                   // there is nothing more to begin
	calls   map[enode.ID]*underway // by target
	came    map[enode.ID]time.Time // until when a caller is left to begin RLPx
	answers map[enode.ID]*underway // by caller
	shown   State
}

// underway is a call or an answer with its actor.
type underway struct {
	pid          *actor.PID
	asker        *actor.PID // of a call, as what follows
	ours, theirs NAT
	token        token // of an answer, as what follows: the call's
	asked        bool  // the caller wants to connect
}

func (p *puncher) Receive(ctx actor.Context) {
	if p.over {
		p.decline(ctx.Message())
		return
	}
	now := p.cfg.Clock.Now()
	switch msg := ctx.Message().(type) {
	case *actor.Started:
		p.start(ctx)
	case *due:
	case *helloed:
		p.helloed(msg, now)
	case *ponged:
		if msg.err == nil {
			p.observe(msg.by, msg.observed, now)
		}
	case *otherSaw:
		p.forget(msg.token)
		p.observe(msg.by, msg.observed, now)
	case *greeted:
		p.greeted(msg, now)
		return // as after what follows: nothing is due because of what others send
	case *rung:
		p.rung(ctx, msg, now)
		return
	case *openAsked:
		p.openAsked(ctx, msg)
		return
	case *introduced:
		p.introduced(msg, now)
	case *tcpSeen:
		p.tcpSeen(msg)
	case *Mapped:
		p.belief.mapped(msg.Open)
	case *Renewed:
		p.plan.renewed()
	case *Reach:
		p.reach(ctx, msg, now)
	case *gaveWay:
		p.answer(ctx, msg.asked)
	case *callEnded:
		p.callEnded(ctx, msg, now)
	case *answerEnded:
		p.answerEnded(ctx, msg)
	case *actor.Terminated:
		p.gone(msg.Who, now)
	case *actor.Restarting, *actor.Stopping:
		p.end()
		return
	default:
		return
	}
	p.proceed(now)
}

func (p *puncher) start(ctx actor.Context) {
	p.root, p.self = ctx.ActorSystem().Root, ctx.Self()
	p.ctx, p.cancel = context.WithCancel(context.Background())
	p.calls, p.answers, p.came = map[enode.ID]*underway{}, map[enode.ID]*underway{}, map[enode.ID]time.Time{}
	p.met = map[enode.ID]*acquaintance{}
	p.shown = p.State()
	p.other.open(p.Desk, p.spawn)
	p.puncher.Store(&address{p.root, p.self})
}

// decline answers what comes while the actors of calls are being stopped: what was begun
// then would stop with nobody.
func (p *puncher) decline(msg any) {
	switch msg := msg.(type) {
	case *Reach:
		actors.Send(p.root, msg.To, &Reached{ID: msg.Node.ID(), Err: ErrDown})
	case *openAsked:
		msg.reply <- openAnswer{Status: refused}
	case *callEnded:
		if msg.conn != nil {
			msg.conn.Drop()
		}
	}
}

// end leaves a successor, if there is one, nothing to clean up. The runtime stops the
// actors of the calls.
func (p *puncher) end() {
	for id, u := range p.calls {
		actors.Send(p.root, u.asker, &Reached{ID: id, Err: ErrDown})
	}
	p.over = true
	p.cancel()
	p.puncher.Store(nil)
	p.chosen.Store(nil)
	if p.timer != nil {
		p.timer.Stop()
	}
	p.other.close()
}

func (p *puncher) tell(msg any) { actors.Send(p.root, p.self, msg) }

func (p *puncher) spawn(f func()) { actors.Go(p.root, p.self, f) }

// proceed says HELLO to those whose turn it is, tells what is new, and sees to it that the
// next turn comes.
func (p *puncher) proceed(now time.Time) {
	again := p.insist(now)
	for _, n := range p.plan.next(now, p.neighbours(now), p.belief.nat(now) != Open) {
		p.hello(n, false)
	}
	chosen := p.plan.choices()
	p.chosen.Store(&chosen)
	p.look(now)
	p.findPort()
	p.show(now)
	if p.timer != nil {
		p.timer.Stop()
	}
	p.timer = p.cfg.Clock.AfterFunc(min(again, p.plan.wait(now)), func() { p.tell(&due{}) })
}

const (
	// insistEvery is how soon our first HELLOs are said again, and insistences how often.
	insistEvery = 4 * time.Second
	insistences = 5
)

// insist has neighbours told again soon where we are, while we are new to them: the table of
// discovery drops a node of which it has just heard with the first ping that is lost. It
// says when to look again.
func (p *puncher) insist(now time.Time) time.Duration {
	if p.insisted == insistences || p.belief.nat(now) == Open || len(p.plan.relays(now)) == 0 {
		return openEvery
	}
	if !now.Before(p.insistAt) {
		if !p.insistAt.IsZero() {
			p.plan.renewed()
		}
		p.insistAt = now.Add(insistEvery)
		p.insisted++
	}
	return p.insistAt.Sub(now)
}

// neighbours are the nodes in discovery's table, by their records. A bootnode is known by a
// URL at first.
func (p *puncher) neighbours(now time.Time) []*enode.Node {
	list := p.cfg.Line.Neighbours()
	seen := make(map[enode.ID]bool, len(list))
	for i, n := range list {
		seen[n.ID()] = true
		if n.Seq() > 0 {
			continue
		}
		a := p.met[n.ID()]
		switch {
		case a == nil && len(p.met) >= maxIntroduced:
		case a != nil && a.record != nil:
			list[i] = a.record
		case a == nil || !a.asking && !now.Before(a.again):
			p.met[n.ID()] = &acquaintance{asking: true}
			p.introduce(n)
		}
	}
	for id := range p.met {
		if !seen[id] {
			delete(p.met, id)
		}
	}
	return list
}

// acquaintance is a neighbour of whom we have no more than a URL.
type acquaintance struct {
	record *enode.Node // nil: it hasn't said
	asking bool
	again  time.Time // when it is asked again
}

// maxIntroduced bounds the neighbours without a record whom we ask for it.
const maxIntroduced = 16

// introduce asks a neighbour for its record. If there is none that is of use (a node that
// does not know its address yet says what only its own machine can use), HELLO tells
// whether it takes part.
func (p *puncher) introduce(n *enode.Node) {
	own := p.cfg.Self().Record()
	p.spawn(func() {
		known, err := p.cfg.Line.Record(n)
		if err != nil {
			known = nil // asked again
			if _, err := p.askHello(n, hello{Record: own}); err == nil {
				known = supposed(n)
			}
		}
		p.tell(&introduced{id: n.ID(), node: known})
	})
}

// supposed is a node of which we have a URL, with the word that it takes part.
func supposed(n *enode.Node) *enode.Node {
	r := n.Record()
	r.Set(NewEntry(Unknown))
	return enode.SignNull(r, n.ID())
}

// introduced takes that in. Who didn't answer is asked again later: it may be out of our
// reach, which is said at once.
func (p *puncher) introduced(msg *introduced, now time.Time) {
	if a := p.met[msg.id]; a != nil {
		a.record, a.asking, a.again = msg.node, false, now.Add(helloLeast)
	}
}

// hello asks a neighbour what it sees, by both its ports.
func (p *puncher) hello(n *enode.Node, tcp bool) {
	record := p.cfg.Self().Record()
	p.spawn(func() {
		answer, err := p.askHello(n, hello{Record: record, TCP: tcp})
		p.tell(&helloed{relay: n, answer: answer, err: err})
	})
}

// askHello says HELLO and waits for the answer.
func (d *Desk) askHello(n *enode.Node, msg hello) (helloAnswer, error) {
	b, err := d.cfg.Line.Talk(n, Protocol, encodeRequest(msg))
	if err != nil {
		return helloAnswer{}, err
	}
	return decode[helloAnswer](b)
}

func (p *puncher) helloed(msg *helloed, now time.Time) {
	if msg.err != nil {
		p.plan.failed(msg.relay.ID(), now)
		return
	}
	p.plan.answered(msg.relay.ID(), now)
	at, ok := msg.relay.UDPEndpoint()
	if !ok {
		return
	}
	p.observe(at, msg.answer.Observed.AddrPort, now)
	if port := msg.answer.OtherPort; port != 0 && p.belief.nat(now) != Open {
		p.askOther(netip.AddrPortFrom(at.Addr(), port))
	}
}

// askOther asks the other port of a neighbour what it sees. The answer comes by Sniff, if it
// comes.
func (p *puncher) askOther(at netip.AddrPort) {
	t := p.newToken()
	p.await(t, awaited{by: at, tell: func(seen netip.AddrPort) { p.tell(&otherSaw{by: at, token: t, observed: seen}) }})
	p.cfg.Clock.AfterFunc(otherTime, func() { p.forget(t) })
	if err := p.cfg.Line.Send(at, bindingRequest(t)); err != nil {
		p.forget(t)
	}
}

// otherTime is how long an answer of the other port is waited for.
const otherTime = 2 * time.Second

// observe takes in what a neighbour sees.
func (p *puncher) observe(by, seen netip.AddrPort, now time.Time) {
	if !p.allowed(seen) {
		return
	}
	own := p.cfg.OwnAddrs != nil && slices.Contains(p.cfg.OwnAddrs(), seen.Addr())
	p.belief.observe(by, seen, own, now)
}

// greeted asks a node that said HELLO what it sees of us, if we don't know: nobody but who
// has our address from elsewhere can tell a node that knows nobody where it is.
func (p *puncher) greeted(msg *greeted, now time.Time) {
	if p.belief.nat(now) != Unknown || now.Before(p.asked.Add(helloLeast)) {
		return
	}
	p.asked = now
	n := enode.NewV4(msg.from.Pubkey(), msg.at.Addr().AsSlice(), 0, int(msg.at.Port()))
	p.ping(n, msg.at)
}

// ping asks a node what it sees, in the way of discovery.
func (p *puncher) ping(n *enode.Node, at netip.AddrPort) {
	p.spawn(func() {
		seen, err := p.cfg.Line.Ping(n)
		p.tell(&ponged{by: at, observed: seen, err: err})
	})
}

// look asks some neighbours that don't take part what they see, while those that do are too
// few to know.
func (p *puncher) look(now time.Time) {
	if p.belief.nat(now) != Unknown || !p.pinged.IsZero() && now.Sub(p.pinged) < lookAround {
		return
	}
	left := maxPinged
	for _, n := range p.cfg.Line.Neighbours() {
		at, ok := n.UDPEndpoint()
		if _, takes := Takes(n); takes || !ok || left == 0 {
			continue
		}
		left--
		p.pinged = now
		p.ping(n, at)
	}
}

// findPort finds out under which port others see our listening port, once for each UDP
// endpoint that we get.
func (p *puncher) findPort() {
	now := p.cfg.Clock.Now()
	relays := p.plan.relays(now)
	udp := p.belief.endpoint(now)
	if p.cfg.Door == nil || p.probing || len(relays) == 0 || !udp.IsValid() || udp == p.probed || now.Before(p.again) || p.belief.nat(now) == Open {
		return
	}
	p.probing, p.probed = true, udp
	p.spawn(func() {
		seen, held, err := p.askPorts(p.ctx, relays)
		if err == nil {
			_ = held.Close() // it was only to know
		}
		if p.ctx.Err() == nil { // else it is nothing that a successor asked for
			p.tell(&tcpSeen{observed: seen, err: err})
		}
	})
}

func (p *puncher) tcpSeen(msg *tcpSeen) {
	p.probing = false
	if p.tcp = msg.observed; msg.err != nil {
		p.tcp, p.probed, p.again = netip.AddrPort{}, netip.AddrPort{}, p.cfg.Clock.Now().Add(portAgain)
		p.cfg.Logger.Debug("TCP port as seen from outside is not known", "err", msg.err)
	}
}

var errNoTCP = errors.New("the neighbour has no TCP port")

// askPort has a neighbour say under which endpoint it sees our listening port. It blocks.
func (d *Desk) askPort(ctx context.Context, relay *enode.Node) (seen netip.AddrPort, held io.Closer, err error) {
	at, ok := relay.TCPEndpoint()
	if !ok {
		return seen, nil, errNoTCP
	}
	if _, err := d.askHello(relay, hello{Record: d.cfg.Self().Record(), TCP: true}); err != nil {
		return seen, nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, portTime)
	defer cancel()
	return d.cfg.Door.Observed(ctx, at)
}

// show tells what is new.
func (p *puncher) show(now time.Time) {
	s := State{
		Belief: p.belief.nat(now), Observed: p.belief.endpoint(now), TCP: p.tcp,
		Calls: p.shown.Calls, Rung: p.shown.Rung,
	}
	for _, n := range p.plan.relays(now) {
		s.Relays = append(s.Relays, n.ID())
	}
	if s.Belief == p.shown.Belief && s.Observed == p.shown.Observed && s.TCP == p.shown.TCP && slices.Equal(s.Relays, p.shown.Relays) {
		return
	}
	p.publish(s)
}

// publish makes a state the one that others see. What it holds is never written to again.
func (p *puncher) publish(s State) {
	p.shown = s
	p.state.Store(&s)
	if p.cfg.Changed != nil {
		p.cfg.Changed(p.State())
	}
}

// name makes the name of a call's actor.
func name(kind string, id enode.ID) string { return kind + "-" + hex.EncodeToString(id[:4]) }

package punch

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"slices"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/troupe-p2p/troupe/actors/supervise"
	"github.com/troupe-p2p/troupe/nat/stun"
)

// callActor makes one call of this node. callRules decides what to do next; the actor does it in
// goroutines, and passes the results to callRules.
type callActor struct {
	*Service
	puncher *actor.PID
	target  *enode.Node
	machine callRules

	root   *actor.RootContext
	self   *actor.PID
	token  token
	ctx    context.Context // ends with the actor
	cancel context.CancelFunc
	timers []supervise.Timer
	ended  bool
}

func (a *callActor) Receive(ctx actor.Context) {
	if a.ended {
		drop(ctx.Message())
		return
	}
	switch msg := ctx.Message().(type) {
	case *actor.Started:
		a.start(ctx)
	case *called:
		a.perform(a.machine.called(msg.status, msg.target, msg.err))
	case *openerReceived:
		a.machine.openerReceived(msg.from)
	case *pong:
		a.perform(a.machine.pong(msg.err))
	case *pauseOver:
		a.perform(a.machine.pauseOver())
	case *learned:
		a.perform(a.machine.learned(msg.port, msg.err))
	case *opened:
		a.perform(a.machine.opened(msg.answer, msg.trip, msg.err))
	case *connected:
		a.connected(msg)
	case *crossCall:
		a.crossCall(msg.asked)
	case *expired:
		a.perform(a.machine.expired())
	case *actor.Stopping:
		a.release() // after a crash, or because the puncher stops
	}
}

// drop closes the connection in a message that comes after the end of its call.
func drop(msg any) {
	if msg, ok := msg.(*connected); ok && msg.conn != nil {
		msg.conn.Drop()
	}
}

func (a *callActor) start(ctx actor.Context) {
	a.root, a.self = ctx.ActorSystem().Root, ctx.Self()
	a.ctx, a.cancel = context.WithCancel(context.Background())
	a.token = a.newToken()
	a.expect(a.token, expectation{tell: func(from netip.AddrPort) {
		if a.allowed(from) {
			a.tell(&openerReceived{from: from})
		}
	}})
	a.after(callTimeout, &expired{})
	a.learnPort(a.ctx, a.machine.ours, slices.Clone(a.machine.relays), a.spawn, a.tell)
	a.perform(a.machine.begin())
}

func (a *callActor) tell(msg any) { supervise.Send(a.root, a.self, msg) }

func (a *callActor) spawn(f func()) { supervise.Go(a.root, a.self, f) }

func (a *callActor) after(d time.Duration, msg any) {
	a.timers = append(a.timers, a.cfg.Clock.AfterFunc(d, func() { a.tell(msg) }))
}

// perform does what callRules returned.
func (a *callActor) perform(todo []any) {
	for _, do := range todo {
		switch do := do.(type) {
		case sendOpener:
			a.sendOpener(do.to)
		case callBy:
			a.call(do.relay)
		case ping:
			a.ping(do.at)
		case pause:
			a.after(do.d, &pauseOver{})
		case askOpen:
			a.open(do)
		case connect:
			a.connect(do)
		case finish:
			a.end(nil, do.err)
		}
	}
}

func (a *callActor) sendOpener(to netip.AddrPort) {
	if !a.withinAt(a.sent, to.Addr(), a.cfg.Clock.Now()) {
		return
	}
	if err := a.cfg.Line.Send(to, stun.Indication(a.newToken())); err != nil {
		a.cfg.Logger.Debug("sending an opener failed", "addr", to, "err", err)
	}
}

// ping makes discovery try to establish a session. The answer is a *pong.
func (a *callActor) ping(at netip.AddrPort) {
	if !a.withinAt(a.sent, at.Addr(), a.cfg.Clock.Now()) {
		a.tell(&pong{err: errAddressLimit})
		return
	}
	to := a.at(at)
	a.spawn(func() {
		_, err := a.cfg.Line.Ping(to)
		a.tell(&pong{err: err})
	})
}

// errAddressLimit bounds what a relay can make this node send to a victim.
var errAddressLimit = errors.New("hole punching: limit of datagrams to that address reached")

// at returns the target as a node at an endpoint at which it was seen.
func (a *callActor) at(at netip.AddrPort) *enode.Node {
	return enode.NewV4(a.target.Pubkey(), at.Addr().AsSlice(), int(at.Port()), int(at.Port()))
}

// call sends CALL to a relay.
func (a *callActor) call(relay *enode.Node) {
	request := encodeRequest(call{Target: a.target.ID(), Token: a.token, Padding: make([]byte, callPadding)})
	a.spawn(func() {
		b, err := a.cfg.Line.Talk(relay, Protocol, request)
		var answer callAnswer
		if err == nil {
			answer, err = decode[callAnswer](b)
		}
		result := &called{status: answer.Status, err: err}
		if answer.Target != nil && a.allowed(answer.Target.AddrPort) {
			result.target = answer.Target.AddrPort
		}
		a.tell(result)
	})
}

// open sends OPEN.
func (a *callActor) open(do askOpen) {
	do.msg.Token = a.token
	to := a.at(do.at)
	a.spawn(func() {
		sent := a.cfg.Clock.Now()
		b, err := a.cfg.Line.Talk(to, Protocol, encodeRequest(do.msg))
		var answer openAnswer
		if err == nil {
			answer, err = decode[openAnswer](b)
		}
		a.tell(&opened{answer: answer, trip: a.cfg.Clock.Now().Sub(sent), err: err})
	})
}

// connect connects after a delay. The answer is a *connected.
func (a *callActor) connect(do connect) {
	a.spawn(func() { a.tell(a.connectAt(a.ctx, do)) })
}

// connectAt opens a connection after a delay. It blocks.
func (s *Service) connectAt(ctx context.Context, do connect) *connected {
	ctx, cancel := context.WithTimeout(ctx, do.after+connectTimeout)
	defer cancel()
	conn, err := s.cfg.TCPPort.Open(ctx, do.at, do.after)
	if err != nil {
		return &connected{err: err}
	}
	return &connected{conn: NewHandover(s.cfg.Clock, conn)}
}

func (a *callActor) connected(msg *connected) {
	todo := a.machine.connected(msg.err)
	if len(todo) == 0 {
		drop(msg)
		return
	}
	a.end(msg.conn, a.machine.err)
}

// crossCall handles the OPEN of a target that calls this node, too.
func (a *callActor) crossCall(asked *openAsked) {
	if a.machine.crossed(bytes.Compare(a.cfg.ID[:], asked.from[:]) < 0) {
		supervise.Send(a.root, a.puncher, &callYielded{asked: asked})
		a.end(nil, ErrCrossed)
		return
	}
	asked.reply <- openAnswer{Status: callsCrossed}
}

// end reports how the call ended. The puncher then stops the actor.
func (a *callActor) end(conn *Handover, err error) {
	a.release()
	a.cfg.Logger.Log(context.Background(), levelOf(err), "call through NATs ended", "id", a.target.ID().TerminalString(), "result", causeName(err), "reason", err,
		"nat", a.machine.ours, "theirs", a.machine.theirs, "udp", a.machine.pinged, "rounds", a.machine.round)
	supervise.Send(a.root, a.puncher, &callEnded{by: a.self, conn: conn, err: err})
}

// levelOf returns the log level for the end of a call. Operators want to know that a call succeeded, or
// that it never will because of the NATs. Other failures are transient.
func levelOf(err error) slog.Level {
	if err == nil || causedByNAT(err) && !errors.Is(err, ErrTried) {
		return slog.LevelInfo
	}
	return slog.LevelDebug
}

// release frees the timers, the token and the context of the call.
func (a *callActor) release() {
	a.ended = true
	if a.cancel != nil {
		a.cancel()
	}
	a.forget(a.token)
	for _, t := range a.timers {
		t.Stop()
	}
}

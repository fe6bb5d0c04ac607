package punch

import (
	"context"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/troupe-p2p/troupe/actors/supervise"
)

// answerActor answers one call of another node. answerRules decides what it does.
type answerActor struct {
	*Service
	puncher *actor.PID
	caller  enode.ID
	relays  []*enode.Node
	machine answerRules

	root   *actor.RootContext
	self   *actor.PID
	ctx    context.Context // ends with the actor
	cancel context.CancelFunc
	timer  supervise.Timer
	ended  bool
}

// answerTimeout is how long an answer waits for OPEN. It is a little longer than the call itself.
const answerTimeout = callTimeout + 2*time.Second

func (a *answerActor) Receive(ctx actor.Context) {
	if a.ended {
		drop(ctx.Message())
		return
	}
	switch msg := ctx.Message().(type) {
	case *actor.Started:
		a.start(ctx)
	case *rung: // the caller began another call
		a.arm()
	case *openAsked:
		answer, todo := a.machine.open(msg.msg, msg.at.Addr())
		msg.reply <- answer
		a.perform(todo)
	case *learned:
		a.machine.learned(msg.port, msg.err)
	case *connected:
		if msg.conn != nil {
			if conn := msg.conn.Take(); conn != nil {
				a.cfg.Inbound(conn)
			}
		}
		a.perform(a.machine.connected(msg.err))
	case *expired:
		a.perform(a.machine.expired())
	case *actor.Stopping:
		a.release()
	}
}

func (a *answerActor) start(ctx actor.Context) {
	a.root, a.self = ctx.ActorSystem().Root, ctx.Self()
	a.ctx, a.cancel = context.WithCancel(context.Background())
	a.arm()
	a.learnPort(a.ctx, a.machine.ours, a.relays, a.spawn, a.tell)
}

// arm starts the timeout anew.
func (a *answerActor) arm() {
	if a.timer != nil {
		a.timer.Stop()
	}
	a.timer = a.cfg.Clock.AfterFunc(answerTimeout, func() { a.tell(&expired{}) })
}

func (a *answerActor) tell(msg any) { supervise.Send(a.root, a.self, msg) }

func (a *answerActor) spawn(f func()) { supervise.Go(a.root, a.self, f) }

func (a *answerActor) perform(todo []any) {
	for _, do := range todo {
		switch do := do.(type) {
		case connect:
			a.spawn(func() { a.tell(a.connectAt(a.ctx, do)) })
		case finish:
			a.end(do.err)
		}
	}
}

// end reports how the call ended. The puncher then stops the actor.
func (a *answerActor) end(err error) {
	a.release()
	a.cfg.Logger.Debug("call of another node ended", "id", a.caller.TerminalString(), "result", causeName(err), "reason", err)
	supervise.Send(a.root, a.puncher, &answerEnded{by: a.self, err: err})
}

func (a *answerActor) release() {
	a.ended = true
	if a.cancel == nil {
		return // it crashed before start
	}
	a.cancel()
	a.timer.Stop()
}

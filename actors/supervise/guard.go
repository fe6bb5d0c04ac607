package supervise

import (
	"errors"
	"fmt"
	"regexp"
	"runtime/debug"

	"github.com/asynkron/protoactor-go/actor"
)

// Crash is a panic as a supervisor receives it: with the stack, which protoactor discards, and
// the message that was being handled.
type Crash struct {
	Value    any
	Stack    []byte
	Message  any
	Injected bool // an operator requested it; it lost no message and is not counted
}

func (c *Crash) Error() string { return fmt.Sprintf("panic: %v", c.Value) }

// Unwrap returns the panic's value if that is an error.
func (c *Crash) Unwrap() error {
	err, _ := c.Value.(error)
	return err
}

// Inject makes the guarded actor that receives it panic. Operators use it to see supervision at
// work. With Match, each actor passes it on to its children, and panics if Match accepts its path
// ([Path]). So it reaches what lives at that time, and no actor keeps a list of all others.
type Inject struct {
	Late
	Match func(path string) bool
}

var ErrInjected = errors.New("injected by the operator")

// AsCrash turns the result of recover into a *Crash. The function that called recover must call
// it, while the panic's frames are still on the stack.
func AsCrash(value, message any) *Crash {
	if c, ok := value.(*Crash); ok {
		return c
	}
	return &Crash{Value: value, Stack: debug.Stack(), Message: message, Injected: value == ErrInjected}
}

// Guard wraps an actor so that its panics reach the supervisor as a *Crash. A panic while
// stopping or restarting is only recorded in the journal, because protoactor would leave the
// parent waiting for ever. Guard costs less than a receiver middleware, which allocates for each
// message.
//
// An actor that is the supervisor strategy of its own children remains their strategy.
func Guard(a actor.Actor, j *Journal) actor.Actor {
	g := guard{inner: a, journal: j}
	if s, ok := a.(actor.SupervisorStrategy); ok {
		return &supervisingGuard{guard: g, SupervisorStrategy: s}
	}
	return &g
}

// PropsOf makes the Props of a guarded actor. produce is called for each incarnation. A child
// that no [Supervisor] has adopted is stopped when it fails: protoactor's default strategy would
// restart it without delay.
func PropsOf(produce func() actor.Actor, j *Journal, opts ...actor.PropsOption) *actor.Props {
	props := actor.PropsFromProducer(func() actor.Actor { return Guard(produce(), j) },
		actor.WithSupervisor(StopFailed{}), actor.WithMailbox(NewMailbox))
	return props.Configure(opts...)
}

// StopFailed stops a child that fails and that no [Supervisor] has adopted.
type StopFailed struct{}

func (StopFailed) HandleFailure(_ *actor.ActorSystem, s actor.Supervisor, child *actor.PID, _ *actor.RestartStatistics, _, _ any) {
	s.StopChildren(child)
}

// EndFailed is the strategy for temporary children: a failure is recorded in the journal with its
// stack, and the child ends.
type EndFailed struct{ Journal *Journal }

// HandleFailure implements actor.SupervisorStrategy.
func (s EndFailed) HandleFailure(_ *actor.ActorSystem, by actor.Supervisor, child *actor.PID, _ *actor.RestartStatistics, reason, _ any) {
	e := Step{Actor: Path(child), Event: Failed}
	if crash, ok := reason.(*Crash); ok {
		e.Reason, e.Stack, e.Injected = crash.Error(), string(crash.Stack), crash.Injected
	}
	s.Journal.Record(e)
	by.StopChildren(child)
}

type supervisingGuard struct {
	guard
	actor.SupervisorStrategy
}

type guard struct {
	inner   actor.Actor
	journal *Journal
}

func (g *guard) Receive(ctx actor.Context) {
	defer g.recovered(ctx)
	if !PanicIfCrash(ctx) {
		g.inner.Receive(ctx)
	}
}

func (g *guard) recovered(ctx actor.Context) {
	value := recover()
	if value == nil {
		return
	}
	crash := AsCrash(value, ctx.Message())
	if n, ok := g.inner.(interface{ NoteCrash(*Crash) }); ok {
		n.NoteCrash(crash)
	}
	switch ctx.Message().(type) {
	case *actor.Stopping, *actor.Stopped, *actor.Restarting:
		g.journal.Record(Step{
			Actor: Path(ctx.Self()), Event: Failed, Reason: crash.Error() + " while stopping", Stack: string(crash.Stack),
		})
	default:
		panic(crash)
	}
}

// PanicIfCrash panics for an operator's Inject and for the crash of a goroutine that the actor
// started. It returns true if the message was an Inject for other actors.
func PanicIfCrash(ctx actor.Context) bool {
	switch msg := ctx.Message().(type) {
	case *Inject:
		msg.spread(ctx)
		return true
	case *Crash:
		panic(msg)
	}
	return false
}

// spread passes m on to the actor's children, and panics if m is for this actor.
func (m *Inject) spread(ctx actor.Context) {
	if m.Match != nil {
		for _, child := range ctx.Children() {
			Send(ctx, child, m)
		}
	}
	if m.Match == nil || m.Match(Path(ctx.Self())) {
		panic(ErrInjected)
	}
}

// Go runs f in a goroutine. A panic becomes a *Crash in the owner's mailbox, where the guard
// panics with it: a goroutine's bug is its actor's bug. Every goroutine of this project is
// started by Go.
func Go(root *actor.RootContext, owner *actor.PID, f func()) {
	go func() {
		defer reportCrash(root, owner)
		f()
	}()
}

// reportCrash is deferred by a goroutine: it sends a panic to the goroutine's owner.
func reportCrash(root *actor.RootContext, owner *actor.PID) {
	if value := recover(); value != nil {
		Send(root, owner, AsCrash(value, nil))
	}
}

// sender is an actor's context or the root context.
type sender interface {
	Send(pid *actor.PID, message any)
}

// Send sends every message of this project. A nil message would make protoactor use a core for
// ever, and a nil PID is a bug; Send panics for both.
func Send(from sender, to *actor.PID, msg any) {
	if to == nil || msg == nil {
		panic(fmt.Sprintf("send of %T to %v: neither may be nil", msg, to))
	}
	from.Send(to, msg)
}

var incarnationSuffix = regexp.MustCompile(`\$[^/]*`)

// Path is an actor's name as logs and metrics show it: its PID without the suffixes that
// distinguish incarnations.
func Path(pid *actor.PID) string { return incarnationSuffix.ReplaceAllString(pid.Id, "") }

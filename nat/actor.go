package nat

import (
	"context"
	"reflect"
	"sync/atomic"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/troupe-p2p/troupe/actors/supervise"
)

const (
	// leaveTime bounds the deletion of the mappings when the actor stops.
	leaveTime = 3 * time.Second
	// lookEvery is the interval at which this host's routes and addresses are read.
	lookEvery = 5 * time.Second
)

// deadline returns the timeout of a call. UPnP routers may need seconds for an answer; the others
// answer at once or never.
func deadline(m Mapper) time.Duration {
	switch m.Method() {
	case MethodPCP, MethodPMP:
		return 4 * time.Second
	}
	return 8 * time.Second
}

// searcher is the part of [finder] that the actor uses.
type searcher interface {
	// find reports each router when it answers, and returns the other problems. It starts its
	// goroutines with spawn.
	find(ctx context.Context, spawn func(func()), report func(Mapper)) []error
	// networks returns this host's networks.
	networks() ([]network, error)
	// watch receives router announcements on these networks until ctx ends, and sends *disturbed
	// and *listenFailed to the actor.
	watch(ctx context.Context, all []network, spawn func(func()), send func(msg any))
}

// shared survives restarts of the actor.
type shared struct {
	Config
	finder  searcher
	memory  memory
	current atomic.Pointer[Status] // the latest snapshot
	leaving bool
}

// leaser is the actor. It performs the machine's actions and passes their results to the machine.
type leaser struct {
	*shared
	root    *actor.RootContext
	self    *actor.PID
	ctx     context.Context // ends with this incarnation
	cancel  context.CancelFunc
	machine *machine
	timer   supervise.Timer // for the machine's next step
	looking supervise.Timer
	watch   context.CancelFunc // stops the watcher; nil: no watcher is running
	around  string             // the local networks at the last look
	pending int                // running deletions, after Leave
}

func (a *leaser) Receive(ctx actor.Context) {
	if a.shared.leaving {
		a.depart(ctx)
		return
	}
	switch msg := ctx.Message().(type) {
	case *actor.Started:
		a.start(ctx)
	case *actor.Restarting, *actor.Stopping:
		a.end()
	case *wake:
		a.machine.tick(a.Clock.Now())
	case *found:
		a.machine.onFound(a.Clock.Now(), msg.search, msg.mapper)
	case *searched:
		a.machine.onSearched(a.Clock.Now(), msg.search, msg.problems)
	case *readingDone:
		a.machine.onReading(a.Clock.Now(), msg.op, msg.reading, msg.err)
	case *mapDone:
		a.machine.onMapped(a.Clock.Now(), msg.op, msg.mapping, msg.err)
	case *verifyDone:
		a.machine.onVerified(a.Clock.Now(), msg.op, msg.mapping, msg.err)
	case *unmapDone:
		a.machine.onUnmapped(a.Clock.Now(), msg.op, msg.err)
	case *Inbound:
		a.machine.onInbound(a.Clock.Now(), msg.Protocol)
	case *disturbed:
		a.machine.onNotice(a.Clock.Now(), msg.from, msg.notice)
	case *look:
		a.lookAround()
	case *supervise.Resumed:
		a.lookAround() // the machine may be in another network
		a.machine.onResumed(a.Clock.Now())
	case *surroundings:
		a.looked(msg.networks)
	case *listenFailed:
		a.record(record{event: eventListenFailed, words: msg.err.Error()})
	case *Leave:
		a.leave(ctx)
		return
	default:
		return
	}
	a.perform()
}

func (a *leaser) start(ctx actor.Context) {
	a.root, a.self = ctx.ActorSystem().Root, ctx.Self()
	a.ctx, a.cancel = context.WithCancel(context.Background())
	a.machine = newMachine(a.NodeID, a.ports(), a.Random, &a.memory)
	if a.Spec.Off {
		return
	}
	a.machine.start(a.Clock.Now())
	if m := a.Spec.Method; m != MethodFixed && m != MethodListen {
		a.lookAround()
	}
}

// end releases the resources of this incarnation.
func (a *leaser) end() {
	if a.cancel != nil {
		a.cancel()
	}
	for _, t := range []supervise.Timer{a.timer, a.looking} {
		if t != nil {
			t.Stop()
		}
	}
}

// perform executes the machine's actions and schedules the next tick.
func (a *leaser) perform() {
	if a.machine == nil || a.ctx.Err() != nil {
		return
	}
	for _, action := range a.machine.out {
		a.do(action)
	}
	a.machine.out = nil
	a.show()
	if a.timer != nil {
		a.timer.Stop()
		a.timer = nil
	}
	if at := a.machine.next(); !at.IsZero() {
		a.timer = a.Clock.AfterFunc(max(at.Sub(a.Clock.Now()), 0), func() { supervise.Send(a.root, a.self, &wake{}) })
	}
}

func (a *leaser) do(action any) {
	switch act := action.(type) {
	case doSearch:
		a.search(act.search)
	case doRead:
		a.call(act.mapper, func(ctx context.Context) any {
			r, err := act.mapper.External(ctx)
			return &readingDone{op: act.op, reading: r, err: err}
		})
	case doMap:
		a.call(act.mapper, func(ctx context.Context) any {
			m, err := act.mapper.Map(ctx, act.request)
			return &mapDone{op: act.op, mapping: m, err: err}
		})
	case doVerify:
		a.call(act.mapper, func(ctx context.Context) any {
			m, err := act.mapper.Verify(ctx, act.mapping)
			return &verifyDone{op: act.op, mapping: m, err: err}
		})
	case doUnmap:
		a.call(act.mapper, func(ctx context.Context) any {
			return &unmapDone{op: act.op, err: act.mapper.Unmap(ctx, act.mapping)}
		})
	case doPublish:
		a.Publish(act.address)
	case doRecord:
		a.record(record(act))
	}
}

// call runs f in a goroutine with a deadline and sends its result to the actor.
func (a *leaser) call(m Mapper, f func(context.Context) any) {
	parent := a.ctx
	supervise.Go(a.root, a.self, func() {
		ctx, cancel := context.WithTimeout(parent, deadline(m))
		defer cancel()
		supervise.Send(a.root, a.self, f(ctx))
	})
}

// spawn starts a goroutine whose panic counts as a crash of this actor.
func (a *leaser) spawn(f func()) { supervise.Go(a.root, a.self, f) }

func (a *leaser) search(number uint64) {
	parent := a.ctx
	supervise.Go(a.root, a.self, func() {
		problems := a.finder.find(parent, a.spawn, func(m Mapper) {
			supervise.Send(a.root, a.self, &found{search: number, mapper: m})
		})
		supervise.Send(a.root, a.self, &searched{search: number, problems: problems})
	})
}

// lookAround reads this host's routes and addresses, and schedules the next look.
func (a *leaser) lookAround() {
	supervise.Go(a.root, a.self, func() {
		// The search reports a read error; here an error means no change.
		if all, err := a.finder.networks(); err == nil {
			supervise.Send(a.root, a.self, &surroundings{networks: all})
		}
	})
	if a.looking != nil {
		a.looking.Stop() // a message that an earlier incarnation requested may have arrived
	}
	a.looking = a.Clock.AfterFunc(lookEvery, func() { supervise.Send(a.root, a.self, &look{}) })
}

// looked compares the networks with those of the last look. If they changed, it restarts the
// watcher, which listens on interfaces.
func (a *leaser) looked(all []network) {
	now := surroundingsOf(all)
	first := a.watch == nil
	if !first && now == a.around {
		return
	}
	if !first {
		a.watch()
		a.machine.onNotice(a.Clock.Now(), noAddr, notice{kind: noticeLocal, place: now})
	}
	a.around, a.machine.here = now, now
	ctx, cancel := context.WithCancel(a.ctx)
	a.watch = cancel
	a.finder.watch(ctx, all, a.spawn, func(msg any) { supervise.Send(a.root, a.self, msg) })
}

// show publishes a changed status, and passes it to Config.Changed.
func (a *leaser) show() {
	s := a.status()
	if was := a.current.Load(); was != nil && reflect.DeepEqual(s, was) {
		return
	}
	a.current.Store(s)
	if a.Changed != nil {
		a.Changed(*s)
	}
}

// status makes a snapshot.
func (a *leaser) status() *Status {
	s := a.machine.status()
	if a.Spec.Off {
		s.State, s.Problems = Unmapped, []string{"port mapping is disabled (--nat none)"}
	}
	return s
}

// leave deletes the mappings. The actor does nothing else from then on.
func (a *leaser) leave(ctx actor.Context) {
	a.shared.leaving = true
	a.end()
	all := a.machine.leaving()
	if a.pending = len(all); a.pending == 0 {
		ctx.Stop(a.self)
		return
	}
	a.timer = a.Clock.AfterFunc(leaveTime, func() { supervise.Send(a.root, a.self, &leaveOverdue{}) })
	for _, u := range all {
		supervise.Go(a.root, a.self, func() {
			ctx, cancel := context.WithTimeout(context.Background(), leaveTime)
			defer cancel()
			supervise.Send(a.root, a.self, &left{err: u.mapper.Unmap(ctx, u.mapping)})
		})
	}
}

// depart handles messages after Leave: it waits for the deletions and stops.
func (a *leaser) depart(ctx actor.Context) {
	switch msg := ctx.Message().(type) {
	case *actor.Started: // after a crash: mappings that are not deleted expire
		ctx.Stop(ctx.Self())
	case *actor.Restarting, *actor.Stopping:
		a.end()
	case *left:
		if msg.err != nil {
			a.record(record{event: eventLost, words: "deleting a mapping failed", err: msg.err})
		}
		if a.pending--; a.pending == 0 {
			ctx.Stop(a.self)
		}
	case *leaveOverdue:
		a.record(record{event: eventLost, words: "the router doesn't answer; the mappings will expire"})
		ctx.Stop(a.self)
	}
}

package protocols

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/troupe-p2p/troupe/actors/supervise"
)

// The time that a service gets to stop, see [Spec].StopTimeout.
const (
	DefaultStopTimeout = 500 * time.Millisecond
	MaxStopTimeout     = 10 * time.Second
)

// LinkJoined notifies a protocol's service of a link on which the protocol runs, before any
// message from the link's own actor. A restarted service is notified of all links again, after
// *actor.Started and before anything else, because its state is lost.
//
// The service sends on a link with [Link.Send], and to the link's actor by [Link.Self]. That
// actor finds the service with [Link.Service]. Neither ever waits for the other: requests and
// answers are messages.
//
// A crash of the service ends no link. The service is always restarted: at once, then after 10
// ms, doubling to 1 s. Its mailbox has no bound, so messages of remotes must go to it by
// [Link.PassOn], which counts them.
type LinkJoined struct {
	Link      *Link // the shared handle, the same as [Link.Shared]
	Restarted bool  // an earlier service was notified of this link
}

// LinkLeft notifies a protocol's service that a link has ended. No message of the link's own
// actor follows it. When a node stops, the service receives it for all links before its
// *actor.Stopping, in which it may block, see [Spec].StopTimeout.
type LinkLeft struct {
	Link  *Link // the shared handle, the same as in LinkJoined
	Cause *Cause
}

// Service returns the PID of the protocol's service on this node, nil if the Spec has none. It
// stays the same across restarts.
func (l *Link) Service() *actor.PID {
	if l.service == nil || l.service.produce == nil {
		return nil
	}
	return l.service.pid
}

// service holds what a node's links and its service know about each other. It outlives the
// actor's incarnations. The methods of a nil service, of a protocol without one, do nothing.
//
// A protocol with a Provision has a service as well: its actor runs the cleanups when the links
// have ended.
type service struct {
	name    string
	produce func() actor.Actor // nil: the Spec has no Service
	env     *Env               // what Provision got; nil without

	// Set before there is a link; nil if no node runs the actor.
	root *actor.RootContext
	pid  *actor.PID

	mu     sync.Mutex
	guests []*guest // in the order in which their links started
	unused func()   // called once there are no guests; nil: the protocol is in use
}

// guest is one link, from its creation on.
type guest struct {
	link   *Link  // the shared handle
	joined bool   // the service must be notified of it
	known  bool   // an incarnation of the service was notified; only the service's turn uses it
	cause  *Cause // why it has ended; nil: it has not
}

// linkNews is sent to the service by the actor of a link: the link is up, or it has ended. The
// service may stop before the last link.
type linkNews struct {
	supervise.Late
	guest *guest
	left  bool
}

// enter registers a link that is being made.
func (s *service) enter(l *Link) {
	if s == nil {
		return
	}
	g := &guest{link: l}
	s.mu.Lock()
	s.guests = append(s.guests, g)
	s.mu.Unlock()
	// A link may end before its actor is made; then only this call removes it.
	context.AfterFunc(l.Context(), func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if !g.joined {
			s.remove(g)
		}
	})
}

// join notifies the service that a link is up, unless it was notified before.
func (s *service) join(l *Link) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	g := s.find(l)
	if g == nil { // the link has ended already, and its actor is about to learn that
		g = &guest{link: l}
		s.guests = append(s.guests, g)
	}
	if !g.joined {
		g.joined = true
		s.tell(&linkNews{guest: g})
	}
}

// leave notifies the service that a link has ended, if the service knows the link.
func (s *service) leave(l *Link, cause *Cause) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if g := s.find(l); g != nil && g.joined {
		g.cause = cause
		s.tell(&linkNews{guest: g, left: true})
		s.remove(g)
	}
}

func (s *service) tell(news *linkNews) {
	if s.pid != nil && s.produce != nil {
		supervise.Send(s.root, s.pid, news)
	}
}

func (s *service) find(l *Link) *guest {
	if i := slices.IndexFunc(s.guests, func(g *guest) bool { return g.link == l }); i >= 0 {
		return s.guests[i]
	}
	return nil
}

func (s *service) remove(g *guest) {
	s.guests = slices.DeleteFunc(s.guests, func(other *guest) bool { return other == g })
	s.look()
}

// look calls unused, once, when no guest is left.
func (s *service) look() {
	if s.unused != nil && len(s.guests) == 0 {
		s.unused()
		s.unused = nil
	}
}

// joined returns the links of which the service must be notified.
func (s *service) joined() []*guest {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(s.guests), func(g *guest) bool { return !g.joined })
}

func (s *service) hasLeft(g *guest) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return g.cause != nil
}

// HasService reports whether the protocol has a service, or a Provision whose cleanups a service
// actor runs. The node must run that actor.
func (m *Mounted) HasService() bool { return m.service != nil }

// Service returns the PID of the service, nil if the protocol has none.
func (m *Mounted) Service() *actor.PID {
	if m.service == nil {
		return nil
	}
	return m.service.pid
}

// ServeAt sets the PID of the service, before the protocol is offered to any remote.
func (m *Mounted) ServeAt(root *actor.RootContext, pid *actor.PID) {
	m.service.root, m.service.pid = root, pid
}

// NewService makes the service's actor, for each start. The policy of its supervisor is
// [supervise.ServicePolicy].
func (m *Mounted) NewService() actor.Actor {
	return &serviceActor{service: m.service}
}

// StopTimeout returns how long the service may take to stop.
func (m *Mounted) StopTimeout() time.Duration { return cmp.Or(m.Spec.StopTimeout, DefaultStopTimeout) }

// Retire calls unused when no link runs the protocol any more, which may be at once. The caller
// ensures that no new link does. unused must not block. The protocol must have a service.
func (m *Mounted) Retire(unused func()) {
	s := m.service
	s.mu.Lock()
	defer s.mu.Unlock()
	s.unused = unused
	s.look()
}

// Go runs f in a goroutine. A panic of f is a crash of the actor that calls Go in its Receive, such
// as a protocol's service, and does not end the process. The goroutine outlives a restart of the
// actor.
func Go(ctx actor.Context, f func()) { supervise.Go(ctx.ActorSystem().Root, ctx.Self(), f) }

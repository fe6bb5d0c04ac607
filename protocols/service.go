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

// How long a service may take to stop, see [Spec].StopTimeout.
const (
	DefaultStopTimeout = 500 * time.Millisecond
	MaxStopTimeout     = 10 * time.Second
)

// LinkJoined tells a protocol's service of a link on which the protocol runs, before
// anything that the link's own actor sends it. A service that was restarted is told of all
// links anew, after *actor.Started and before anything else: what it knew is gone with it.
//
// The service sends on a link with [Link.Send], and to the link's actor by [Link.Self]. That
// actor finds the service with [Link.Service]. Neither ever waits for the other: questions
// and answers are messages.
//
// A crash of the service takes no link down, and it is restarted as often as need be: at
// once, then after 10 ms, doubling to 1 s. Nothing bounds what waits in its mailbox, so
// that what remotes send goes to it by [Link.PassOn], which counts.
type LinkJoined struct {
	Link      *Link // the shared handle, the same that [Link.Shared] gives
	Restarted bool  // an earlier service had been told of this link
}

// LinkLeft tells a protocol's service that a link has ended. Nothing of the link's own actor
// comes after it. When a node stops, the service hears it of all links before its
// *actor.Stopping, in which it may take its time, see [Spec].StopTimeout.
type LinkLeft struct {
	Link  *Link // the shared handle, the same that LinkJoined brought
	Cause *Cause
}

// Service is the protocol's service on this node, nil if the Spec has none. It stays the
// same over restarts.
func (l *Link) Service() *actor.PID {
	if l.service == nil || l.service.produce == nil {
		return nil
	}
	return l.service.pid
}

// service is what a node's links and its service know of each other. It outlives the
// actor's incarnations. A nil service, of a protocol without, takes note of nothing.
//
// A protocol with a Provision has one as well: its actor runs the cleanups when the links have
// ended.
type service struct {
	name    string
	produce func() actor.Actor // nil: the Spec has no Service
	env     *Env               // what Provision got; nil without

	// Set before there is a link; nil if nobody runs the actor.
	root *actor.RootContext
	pid  *actor.PID

	mu     sync.Mutex
	guests []*guest // in the order in which their links came
	unused func()   // called once there are no guests; nil: the protocol is in use
}

// guest is one link, from its beginning.
type guest struct {
	link   *Link  // the shared handle
	joined bool   // the service is to know of it
	known  bool   // some life of the service was told; the service's turn alone
	cause  *Cause // why it has left; nil: it has not
}

// linkNews goes to the service from the actor of a link: it is up, or it has ended.
type linkNews struct {
	guest *guest
	left  bool
}

// IgnoreDeadLetterLogging implements actor.IgnoreDeadLetterLogging: a service may be gone
// before the last link.
func (*linkNews) IgnoreDeadLetterLogging() {}

// enter takes note of a link that is being made.
func (s *service) enter(l *Link) {
	if s == nil {
		return
	}
	g := &guest{link: l}
	s.mu.Lock()
	s.guests = append(s.guests, g)
	s.mu.Unlock()
	// A link may end before its actor has come to life, and nobody else would say so.
	context.AfterFunc(l.Context(), func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if !g.joined {
			s.remove(g)
		}
	})
}

// join tells the service that a link is up, unless it was told before.
func (s *service) join(l *Link) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	g := s.find(l)
	if g == nil { // it has ended already, and its actor is about to learn that
		g = &guest{link: l}
		s.guests = append(s.guests, g)
	}
	if !g.joined {
		g.joined = true
		s.tell(&linkNews{guest: g})
	}
}

// leave tells the service that a link has ended, if it knows of it.
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

// look calls unused, once, when nothing is left to do.
func (s *service) look() {
	if s.unused != nil && len(s.guests) == 0 {
		s.unused()
		s.unused = nil
	}
}

// joined gives the links that the service is to know of.
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

// HasService says whether the protocol has a service, or a Provision, after which a service is
// to clean up. The node runs it.
func (m *Mounted) HasService() bool { return m.service != nil }

// Service is where the service lives, nil if the protocol has none.
func (m *Mounted) Service() *actor.PID {
	if m.service == nil {
		return nil
	}
	return m.service.pid
}

// ServeAt says where the service lives, before the protocol is offered to anybody.
func (m *Mounted) ServeAt(root *actor.RootContext, pid *actor.PID) {
	m.service.root, m.service.pid = root, pid
}

// NewService makes the service's actor, as often as it is started. Its supervisor's policy
// is [actors.ServicePolicy].
func (m *Mounted) NewService() actor.Actor {
	return &serviceActor{service: m.service}
}

// StopTimeout is how long the service may take to stop.
func (m *Mounted) StopTimeout() time.Duration { return cmp.Or(m.Spec.StopTimeout, DefaultStopTimeout) }

// Retire calls unused when there is no link any more that runs the protocol, which may be
// at once. The caller has seen to it that no new one comes. unused must not block. The
// protocol has a service.
func (m *Mounted) Retire(unused func()) {
	s := m.service
	s.mu.Lock()
	defer s.mu.Unlock()
	s.unused = unused
	s.look()
}

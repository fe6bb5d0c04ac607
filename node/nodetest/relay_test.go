package nodetest_test

import (
	"sync"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/troupe-p2p/troupe/node"
	"github.com/troupe-p2p/troupe/protocols"
)

// Note goes from node to node: the protocol of these tests.
type Note struct{ Text string }

// relay is one node's side of it: a service that passes each note on to all links but that
// by which it came.
type relay struct {
	mu    sync.Mutex
	post  func(*Note) // of the service that runs
	heard map[string]time.Time
	times int // that a note came, known or not
	links int // that it passes notes on to
}

// note is a Note on its way to the service.
type note struct {
	*Note
	from *protocols.Link // nil: from here
}

func (r *relay) spec() protocols.Spec {
	return protocols.Spec{
		Name: "relay",
		Versions: []protocols.Version{{
			Number: 1, Length: 1, Messages: []protocols.Message{protocols.Type[Note]()},
		}},
		New:     func() actor.Actor { return &relayLink{} },
		Service: func() actor.Actor { return &relayService{relay: r, links: map[*protocols.Link]bool{}} },
	}
}

// Post sends a note to everybody.
func (r *relay) Post(text string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.post(&Note{Text: text})
}

// Heard is when a note first came.
func (r *relay) Heard(text string) (at time.Time, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	at, ok = r.heard[text]
	return at, ok
}

// hear says whether a note is new.
func (r *relay) hear(text string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.times++
	if _, ok := r.heard[text]; ok {
		return false
	}
	if r.heard == nil {
		r.heard = map[string]time.Time{}
	}
	r.heard[text] = time.Now()
	return true
}

type relayLink struct{ link *protocols.Link }

func (l *relayLink) Receive(ctx actor.Context) {
	switch msg := ctx.Message().(type) {
	case *protocols.LinkUp:
		l.link = msg.Link
	case *Note:
		l.link.PassOn(&note{msg, l.link.Shared()})
	}
}

type relayService struct {
	*relay
	links map[*protocols.Link]bool
}

func (s *relayService) Receive(ctx actor.Context) {
	switch msg := ctx.Message().(type) {
	case *actor.Started:
		root, self := ctx.ActorSystem().Root, ctx.Self()
		s.mu.Lock()
		s.post = func(n *Note) { root.Send(self, &note{Note: n}) }
		s.mu.Unlock()
	case *protocols.LinkJoined:
		s.links[msg.Link] = true
		s.count()
	case *protocols.LinkLeft:
		delete(s.links, msg.Link)
		s.count()
	case *note:
		if !s.hear(msg.Text) {
			return
		}
		for l := range s.links {
			if l != msg.from {
				_ = l.Send(msg.Note) // a link that ends hears it from others, or not at all
			}
		}
	}
}

func (s *relayService) count() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.relay.links = len(s.links)
}

// Links is how many links it passes notes on to.
func (r *relay) Links() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.links
}

// relays gives so many nodes that pass on notes, and what edits their configuration.
func relays(n int) (all []*relay, edit func(int, *node.Config)) {
	for range n {
		all = append(all, new(relay))
	}
	return all, func(i int, c *node.Config) { c.Specs = []protocols.Spec{all[i].spec()} }
}

package nodetest_test

import (
	"sync"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/troupe-p2p/troupe/node"
	"github.com/troupe-p2p/troupe/protocols"
)

// Note is the message of relay/1, the protocol of these tests.
type Note struct{ Text string }

// relay is one node's side of it: a service that forwards each note to all links except the
// one that it came from.
type relay struct {
	mu    sync.Mutex
	post  func(*Note) // of the service that runs
	heard map[string]time.Time
	times int // how often a note came, known or not
	links int // how many there are
}

// note is a Note on its way to the service.
type note struct {
	*Note
	from *protocols.Link // nil: from this node
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

// Post sends a note to all nodes.
func (r *relay) Post(text string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.post(&Note{Text: text})
}

// Heard returns when a note first came. ok is false when it has not come.
func (r *relay) Heard(text string) (at time.Time, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	at, ok = r.heard[text]
	return at, ok
}

// hear records a note, and says whether it is new.
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
				_ = l.Send(msg.Note) // it fails on a link that ends; the note may arrive over another one
			}
		}
	}
}

func (s *relayService) count() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.relay.links = len(s.links)
}

// Links returns how many links it forwards notes to.
func (r *relay) Links() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.links
}

// relays returns n relays, and the function that gives each node its relay.
func relays(n int) (all []*relay, edit func(int, *node.Config)) {
	for range n {
		all = append(all, new(relay))
	}
	return all, func(i int, c *node.Config) { c.Specs = []protocols.Spec{all[i].spec()} }
}

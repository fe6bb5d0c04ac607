package main

import (
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/troupe-p2p/troupe/protocols"
)

// remembered is the number of posts whose IDs a node remembers.
const remembered = 4096

var errNotRunning = errors.New("the node is not running")

// broker connects the rest of the program to the hub. It is safe for concurrent use.
type broker struct {
	topics []string // topics that this node receives and forwards
	heard  func(topic string, data []byte)
	hub    atomic.Pointer[address]
}

type address struct {
	root *actor.RootContext
	pid  *actor.PID
}

// newBroker returns the node's side of pubsub. The hub calls heard, which must not block.
func newBroker(topics []string, heard func(topic string, data []byte)) (*broker, error) {
	if len(topics) > maxTopics {
		return nil, fmt.Errorf("%d topics, want at most %d", len(topics), maxTopics)
	}
	return &broker{topics: topics, heard: heard}, checkTopics(topics)
}

// publish sends a post to all linked nodes that want its topic.
func (b *broker) publish(topic string, data []byte) error {
	if err := checkTopics([]string{topic}); err != nil {
		return err
	}
	if len(data) > maxData {
		return fmt.Errorf("%d bytes, want at most %d", len(data), maxData)
	}
	hub := b.hub.Load()
	if hub == nil {
		return errNotRunning
	}
	post := &Post{Topic: topic, Data: data}
	rand.Read(post.ID[:]) // never fails
	hub.root.Send(hub.pid, post)
	return nil
}

// hub is the service: the one actor of the node that knows all links. After a crash the kit sends
// it a LinkJoined for each link again, and each link keeps the topics that its remote wants.
type hub struct {
	broker *broker
	links  []*protocols.Link
	seen   map[[16]byte]bool
	order  [][16]byte // the IDs in seen, as a ring; the oldest is at next
	next   int
}

func newHub(b *broker) *hub {
	return &hub{broker: b, seen: map[[16]byte]bool{}, order: make([][16]byte, remembered)}
}

func (h *hub) Receive(ctx actor.Context) {
	switch msg := ctx.Message().(type) {
	case *actor.Started:
		h.broker.hub.Store(&address{ctx.ActorSystem().Root, ctx.Self()})
	case *protocols.LinkJoined:
		h.links = append(h.links, msg.Link)
	case *protocols.LinkLeft:
		h.links = slices.DeleteFunc(h.links, func(l *protocols.Link) bool { return l == msg.Link })
	case *Post: // published by this program
		h.pass(ctx, msg, nil)
	case *arrived:
		h.arrive(ctx, msg)
	}
}

// arrive handles a post from a remote. A post that this node does not want is not forwarded.
func (h *hub) arrive(ctx actor.Context, a *arrived) {
	if h.seen[a.post.ID] || !slices.Contains(h.broker.topics, a.post.Topic) {
		return
	}
	h.broker.heard(a.post.Topic, a.post.Data)
	h.pass(ctx, a.post, a.from)
}

// pass sends a post on all links whose remotes want it, except the link that it came from. The post
// is encoded and compressed once. A remote that does not read misses the post; pass does not wait.
func (h *hub) pass(ctx actor.Context, p *Post, from *protocols.Link) {
	h.remember(p.ID)
	wanted := func(yield func(*protocols.Link) bool) {
		for _, l := range h.links {
			if l != from && slices.Contains(protocols.StatusOf[Topics](l).Names, p.Topic) && !yield(l) {
				return
			}
		}
	}
	d, err := protocols.Broadcast(wanted, p, protocols.Drop)
	if err != nil || len(d.Full) > 0 {
		ctx.Logger().Warn("post not sent on all links", "topic", p.Topic, "missed", len(d.Full), "err", err)
	}
}

func (h *hub) remember(id [16]byte) {
	delete(h.seen, h.order[h.next])
	h.order[h.next], h.seen[id] = id, true
	h.next = (h.next + 1) % remembered
}

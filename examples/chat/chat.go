package main

import (
	"sync"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/troupe-p2p/troupe/protocols"
)

// Say is the only message: a line of text.
type Say struct{ Line string }

// room is the node's side of the chat.
type room struct {
	links sync.Map // of *protocols.Link
	hear  func(from protocols.Peer, line string)
}

func (r *room) spec() protocols.Spec {
	return protocols.Spec{
		Name: "talk",
		Versions: []protocols.Version{{
			Number: 1, Length: 1, Messages: []protocols.Message{protocols.Type[Say](protocols.MaxSize(1024))},
		}},
		New: func() actor.Actor { return &guest{room: r} },
	}
}

// say sends a line on all links. A link whose outbox is full, because its remote does not read,
// misses the line.
func (r *room) say(line string) error {
	_, err := protocols.Broadcast(func(yield func(*protocols.Link) bool) {
		r.links.Range(func(l, _ any) bool { return yield(l.(*protocols.Link)) })
	}, &Say{Line: line}, protocols.Drop)
	return err
}

// guest is the actor of one link.
type guest struct {
	room *room
	link *protocols.Link
}

func (g *guest) Receive(ctx actor.Context) {
	switch msg := ctx.Message().(type) {
	case *protocols.LinkUp:
		g.link = msg.Link
		g.room.links.Store(g.link.Shared(), true)
	case *protocols.LinkDown:
		g.room.links.Delete(g.link.Shared())
	case *Say:
		g.room.hear(g.link.Peer(), msg.Line)
	}
}

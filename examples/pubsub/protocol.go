package main

import (
	"fmt"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/troupe-p2p/troupe/protocols"
)

const (
	maxTopic  = 64
	maxTopics = 256
	maxData   = 32 << 10
)

// Topics is what two nodes tell each other at first: what each wants to hear.
type Topics struct{ Names []string }

// Post is something said about a topic, on its way from node to node. The ID is the one by
// which a node knows that it had it.
type Post struct {
	ID    [16]byte
	Topic string
	Data  []byte
}

// spec describes pubsub/1 with a broker at its end.
func (b *broker) spec() protocols.Spec {
	return protocols.Spec{
		Name: "pubsub",
		Versions: []protocols.Version{{
			Number: 1, Length: 2,
			Messages: []protocols.Message{
				protocols.Type[Topics](protocols.MaxSize(maxTopics*(maxTopic+4)), protocols.MaxItems(maxTopics+2)),
				protocols.Type[Post](protocols.MaxSize(maxData + maxTopic + 64)),
			},
			Handshake: protocols.Exchange(
				func(*protocols.Link) Topics { return Topics{Names: b.topics} },
				func(_ *protocols.Link, theirs *Topics) error { return checkTopics(theirs.Names) }),
		}},
		New:     func() actor.Actor { return new(neighbour) },
		Service: func() actor.Actor { return newHub(b) },
	}
}

func checkTopics(names []string) error {
	for _, name := range names {
		if len(name) > maxTopic {
			return fmt.Errorf("%w: a topic of %d bytes, at most %d are allowed", protocols.DiscProtocolError, len(name), maxTopic)
		}
	}
	return nil
}

// neighbour is the actor of one link. It hands posts to the hub; while that lags behind, the
// kit holds the remote back.
type neighbour struct{ link *protocols.Link }

// arrived goes to the hub with a post of a remote.
type arrived struct {
	from *protocols.Link // the shared handle, as the hub knows it
	post *Post
}

func (n *neighbour) Receive(ctx actor.Context) {
	switch msg := ctx.Message().(type) {
	case *protocols.LinkUp:
		n.link = msg.Link
	case *Post:
		n.link.PassOn(&arrived{from: n.link.Shared(), post: msg})
	}
}

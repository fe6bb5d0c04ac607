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

// Topics is the first message in each direction: the topics that its sender wants.
type Topics struct{ Names []string }

// Post is a text on a topic, forwarded from node to node. By its ID, a node recognises a post that
// it has seen before.
type Post struct {
	ID    [16]byte
	Topic string
	Data  []byte
}

// spec describes pubsub/1 for this broker.
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
			return fmt.Errorf("%w: a topic of %d bytes, want at most %d", protocols.DiscProtocolError, len(name), maxTopic)
		}
	}
	return nil
}

// neighbour is the actor of one link. It hands posts to the hub. While the hub lags behind, the kit
// stops reading from the remote.
type neighbour struct{ link *protocols.Link }

// arrived is the message to the hub with a post from a remote.
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

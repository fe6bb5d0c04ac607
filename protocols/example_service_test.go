package protocols_test

import (
	"fmt"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/troupe-p2p/troupe/protocols"
	"github.com/troupe-p2p/troupe/protocols/protocoltest"
)

// Place tells a remote how many players there are, including the remote.
type Place struct{ Players uint64 }

// lobby is the service: it knows all links and can send on each of them.
type lobby struct{ players []*protocols.Link }

func (s *lobby) Receive(ctx actor.Context) {
	switch msg := ctx.Message().(type) {
	case *protocols.LinkJoined: // again after a restart
		s.players = append(s.players, msg.Link)
	case *protocols.LinkLeft:
		for i, l := range s.players {
			if l == msg.Link {
				s.players = append(s.players[:i], s.players[i+1:]...)
				break
			}
		}
	case howMany:
		ctx.Respond(&Place{Players: uint64(len(s.players))})
	}
}

// howMany is the request of the links' actors to the service.
type howMany struct{}

// gamer is the actor of one link.
type gamer struct{ link *protocols.Link }

func (p *gamer) Receive(ctx actor.Context) {
	switch msg := ctx.Message().(type) {
	case *protocols.LinkUp:
		p.link = msg.Link
		ctx.Request(p.link.Service(), howMany{})
	case *Place: // the lobby's answer
		if err := p.link.Send(msg); err != nil {
			ctx.Logger().Info("send place failed", "err", err)
		}
	}
}

// The protocol's service stores what its links share. Here the links' actors ask it for the
// number of links.
func ExampleLinkJoined() {
	spec := protocols.Spec{
		Name: "game",
		Versions: []protocols.Version{{
			Number: 1, Length: 1, Messages: []protocols.Message{protocols.Type[Place]()},
		}},
		New:     func() actor.Actor { return new(gamer) },
		Service: func() actor.Actor { return new(lobby) },
	}
	remote := protocoltest.ByHand(spec)
	remote.Service = nil
	p, err := protocoltest.Connect(spec, remote)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer p.Close()
	fmt.Println("players:", protocoltest.Next[Place](p.B).Players)
	p.A.CrashService() // no link notices
	p.A.Crash()
	fmt.Println("players:", protocoltest.Next[Place](p.B).Players)
	// Output:
	// players: 1
	// players: 1
}

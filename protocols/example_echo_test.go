package protocols_test

import (
	"fmt"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/troupe-p2p/troupe/protocols"
	"github.com/troupe-p2p/troupe/protocols/protocoltest"
)

// A protocol that answers every Ping with a Pong, in less than 40 lines.

type Ping struct{ N uint64 }

type Pong struct{ N uint64 }

type echo struct{ link *protocols.Link }

func (e *echo) Receive(ctx actor.Context) {
	switch msg := ctx.Message().(type) {
	case *protocols.LinkUp: // the link is up; again after a crash
		e.link = msg.Link
	case *Ping:
		if err := e.link.Send(&Pong{N: msg.N}); err != nil {
			e.link.DisconnectWithError(protocols.DiscRequested, err)
		}
	}
}

func EchoSpec() protocols.Spec {
	return protocols.Spec{
		Name: "echo",
		Versions: []protocols.Version{{Number: 1, Length: 2, Messages: []protocols.Message{
			protocols.Type[Ping](),
			protocols.Type[Pong](),
		}}},
		New: func() actor.Actor { return new(echo) },
	}
}

// A whole protocol, and both ends of a link on which it runs: A serves, and the test controls B.
// A node runs the protocol if its Config has the Spec.
func Example_echo() {
	p, err := protocoltest.Connect(EchoSpec(), protocoltest.ByHand(EchoSpec()))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer p.Close()
	if err := p.B.Send(&Ping{N: 1}); err != nil {
		fmt.Println(err)
	}
	fmt.Println(protocoltest.Next[Pong](p.B).N)
	p.A.Crash() // the link stays up
	if err := p.B.Send(&Ping{N: 2}); err != nil {
		fmt.Println(err)
	}
	fmt.Println(protocoltest.Next[Pong](p.B).N)
	// Output:
	// 1
	// 2
}

package protocols_test

import (
	"fmt"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/troupe-p2p/troupe/protocols"
	"github.com/troupe-p2p/troupe/protocols/protocoltest"
)

// Status is the first message that each node of this protocol sends.
type Status struct {
	Network uint64
	Head    uint64
}

// follower compares its head with the head in the remote's status.
type follower struct {
	head uint64
	out  chan<- string
}

func (f *follower) Receive(ctx actor.Context) {
	if up, ok := ctx.Message().(*protocols.LinkUp); ok {
		theirs := protocols.StatusOf[Status](up.Link)
		f.out <- fmt.Sprintf("the remote is at %d, %d behind us", theirs.Head, f.head-theirs.Head)
	}
}

func followSpec(network, head uint64, out chan<- string) protocols.Spec {
	return protocols.Spec{
		Name: "follow",
		Versions: []protocols.Version{{
			Number: 1, Length: 1, Messages: []protocols.Message{protocols.Type[Status]()},
			Handshake: protocols.Exchange(
				func(*protocols.Link) Status { return Status{Network: network, Head: head} },
				func(_ *protocols.Link, theirs *Status) error {
					if theirs.Network != network {
						return fmt.Errorf("network %d, want %d", theirs.Network, network)
					}
					return nil
				}),
		}},
		New: func() actor.Actor { return &follower{head: head, out: out} },
	}
}

// The actor gets its link when both statuses have arrived. A remote of another network never gets
// that far.
func ExampleExchange() {
	out := make(chan string, 1)
	p, err := protocoltest.Connect(followSpec(1, 100, out), protocoltest.ByHand(followSpec(1, 58, nil)))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer p.Close()
	fmt.Println(<-out)

	stranger, err := protocoltest.Connect(followSpec(1, 100, out), protocoltest.ByHand(protocols.Spec{
		Name: "follow",
		Versions: []protocols.Version{{
			Number: 1, Length: 1, Messages: []protocols.Message{protocols.Type[Status]()},
		}},
		New: func() actor.Actor { return idleActor{} },
	}))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer stranger.Close()
	if err := stranger.B.Send(&Status{Network: 2}); err != nil {
		fmt.Println(err)
	}
	fmt.Println(stranger.A.Wait())
	// Output:
	// the remote is at 58, 42 behind us
	// local: useless peer, protocol follow/1 after message 0x00: network 2, want 1
}

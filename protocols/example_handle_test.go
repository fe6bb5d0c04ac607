package protocols_test

import (
	"fmt"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/troupe-p2p/troupe/protocols"
	"github.com/troupe-p2p/troupe/protocols/protocoltest"
)

// clock sends a Ping at every tick, independently of its actor's work.
type clock struct{ link *protocols.Link }

func (c *clock) Receive(ctx actor.Context) {
	switch msg := ctx.Message().(type) {
	case *protocols.LinkUp:
		c.link = msg.Link // the own handle: the actor answers with it
		if !msg.Restarted {
			shared := msg.Link.Shared()
			shared.Go(func() { tick(shared) })
		}
	case *Ping:
		if err := c.link.Send(&Pong{N: msg.N}); err != nil {
			c.link.DisconnectWithError(protocols.DiscRequested, err)
		}
	}
}

func tick(shared *protocols.Link) {
	for n := uint64(1); ; n++ {
		select {
		case <-shared.Context().Done():
			return
		case <-time.After(time.Millisecond):
			_ = shared.Send(&Ping{N: n}) // a remote that does not read misses it
		}
	}
}

// A goroutine uses the shared handle, and a crash of the actor does not end it.
func ExampleLink_Shared() {
	spec := EchoSpec()
	spec.New = func() actor.Actor { return new(clock) }
	p, err := protocoltest.Connect(spec, protocoltest.ByHand(EchoSpec()))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer p.Close()
	fmt.Println(protocoltest.Next[Ping](p.B).N)
	p.A.Crash()
	fmt.Println(protocoltest.Next[Ping](p.B).N)
	// Output:
	// 1
	// 2
}

package protocols_test

import (
	"context"
	"fmt"

	"github.com/troupe-p2p/troupe/protocols"
	"github.com/troupe-p2p/troupe/protocols/protocoltest"
)

// A protocol as one blocking function that reads and writes, instead of an actor.
func ExampleFromRun() {
	spec := protocols.FromRun(EchoSpec(), func(_ context.Context, rw *protocols.ReadWriter) error {
		for {
			msg, err := rw.Read()
			if err != nil {
				return err
			}
			ping, ok := msg.(*Ping)
			if !ok {
				return fmt.Errorf("%w: unexpected %T", protocols.DiscProtocolError, msg)
			}
			if err := rw.Write(&Pong{N: ping.N}); err != nil {
				return err
			}
		}
	})
	p, err := protocoltest.Connect(spec, protocoltest.ByHand(EchoSpec()))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer p.Close()
	if err := p.B.Send(&Ping{N: 1}); err != nil {
		fmt.Println(err)
	}
	fmt.Println(protocoltest.Next[Pong](p.B).N)
	if err := p.B.Send(&Pong{}); err != nil {
		fmt.Println(err)
	}
	fmt.Println(p.A.Wait())
	// Output:
	// 1
	// local: breach of protocol, protocol echo/1 after message 0x01: breach of protocol: unexpected *protocols_test.Pong
}

package protocols_test

import (
	"fmt"
	"iter"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/troupe-p2p/troupe/protocols"
	"github.com/troupe-p2p/troupe/protocols/protocoltest"
)

// Check reports an error in a Spec.
func ExampleSpec_Check() {
	type Score struct{ Points int }
	spec := EchoSpec()
	spec.Versions = append(spec.Versions, protocols.Version{
		Number: 2, Length: 3, Messages: []protocols.Message{protocols.Type[Ping](), protocols.Type[Pong](), protocols.Type[Score]()},
	})
	fmt.Println(spec.Check())
	// Output:
	// protocol echo/2: message 0x02: protocols_test.Score can't be a message: rlp: type int is not RLP-serializable (struct field protocols_test.Score.Points)
}

// visits counts the pings of a link.
type visits struct{ n uint64 }

// remembering answers with the number of pings so far, which survives a crash.
type remembering struct{ link *protocols.Link }

func (r *remembering) Receive(ctx actor.Context) {
	switch msg := ctx.Message().(type) {
	case *protocols.LinkUp:
		r.link = msg.Link
	case *Ping:
		v := protocols.State[visits](r.link)
		v.n++
		if err := r.link.Send(&Pong{N: v.n}); err != nil {
			r.link.DisconnectWithError(protocols.DiscRequested, err)
		}
	}
}

// State belongs to the link, so it survives a crash of the actor.
func ExampleState() {
	spec := EchoSpec()
	spec.New = func() actor.Actor { return new(remembering) }
	p, err := protocoltest.Connect(spec, protocoltest.ByHand(EchoSpec()))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer p.Close()
	for range 3 {
		if err := p.B.Send(&Ping{}); err != nil {
			fmt.Println(err)
		}
		fmt.Println(protocoltest.Next[Pong](p.B).N)
		p.A.Crash()
	}
	// Output:
	// 1
	// 2
	// 3
}

// counting answers Ping{N} with N Pongs from 1 to N, however many that is.
type counting struct{ link *protocols.Link }

func (c *counting) Receive(ctx actor.Context) {
	switch msg := ctx.Message().(type) {
	case *protocols.LinkUp:
		c.link = msg.Link
	case *Ping:
		if err := c.link.SendSeq(pongs(msg.N)); err != nil {
			c.link.DisconnectWithError(protocols.DiscRequested, err)
		}
	}
}

func pongs(n uint64) iter.Seq[any] {
	return func(yield func(any) bool) {
		for i := range n {
			if !yield(&Pong{N: i + 1}) {
				return // the link has ended
			}
		}
	}
}

// A large answer is a sequence, which is pulled as the remote reads.
func ExampleLink_SendSeq() {
	spec := EchoSpec()
	spec.New = func() actor.Actor { return new(counting) }
	p, err := protocoltest.Connect(spec, protocoltest.ByHand(EchoSpec()))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer p.Close()
	if err := p.B.Send(&Ping{N: 100_000}); err != nil {
		fmt.Println(err)
	}
	sum := uint64(0)
	for range 100_000 {
		sum += protocoltest.Next[Pong](p.B).N
	}
	fmt.Println(sum)
	// Output:
	// 5000050000
}

// A remote that breaks the protocol's rules: the cause of the link's end describes the error.
func ExampleLink_DisconnectWithError() {
	spec := EchoSpec()
	spec.New = func() actor.Actor { return new(picky) }
	p, err := protocoltest.Connect(spec, protocoltest.ByHand(EchoSpec()))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer p.Close()
	if err := p.B.Send(&Ping{N: 13}); err != nil {
		fmt.Println(err)
	}
	fmt.Println(p.A.Wait())
	fmt.Println(p.B.Wait())
	// Output:
	// local: breach of protocol, protocol echo/1 after message 0x00: ping 13 is not allowed
	// remote: breach of protocol
}

type picky struct{ link *protocols.Link }

func (p *picky) Receive(ctx actor.Context) {
	switch msg := ctx.Message().(type) {
	case *protocols.LinkUp:
		p.link = msg.Link
	case *Ping:
		if msg.N == 13 {
			p.link.DisconnectWithError(protocols.DiscProtocolError, fmt.Errorf("ping %d is not allowed", msg.N))
		}
	}
}

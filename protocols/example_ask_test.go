package protocols_test

import (
	"context"
	"fmt"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/troupe-p2p/troupe/protocols"
	"github.com/troupe-p2p/troupe/protocols/protocoltest"
)

// GetSum and Sum are a request and its answer: the first field is the request ID.
type GetSum struct {
	ID uint64
	Of []uint64
}

type Sum struct {
	ID uint64
	Is uint64
}

func SumSpec(produce func() actor.Actor) protocols.Spec {
	return protocols.Spec{
		Name: "sum",
		Versions: []protocols.Version{{Number: 1, Length: 2, Messages: []protocols.Message{
			protocols.Type[GetSum](),
			protocols.Type[Sum](protocols.Answers[GetSum]()),
		}}},
		New: produce,
	}
}

// calculator answers GetSum.
type calculator struct{ link *protocols.Link }

func (c *calculator) Receive(ctx actor.Context) {
	switch msg := ctx.Message().(type) {
	case *protocols.LinkUp:
		c.link = msg.Link
	case *GetSum:
		sum := &Sum{ID: msg.ID}
		for _, n := range msg.Of {
			sum.Is += n
		}
		if err := c.link.Send(sum); err != nil {
			c.link.DisconnectWithError(protocols.DiscRequested, err)
		}
	}
}

// asker sends a request when the link is up.
type asker struct{ out chan<- string }

func (c *asker) Receive(ctx actor.Context) {
	switch msg := ctx.Message().(type) {
	case *protocols.LinkUp:
		if _, err := msg.Link.Ask(&GetSum{Of: []uint64{1, 2, 3}}); err != nil {
			c.out <- err.Error()
		}
	case *Sum:
		c.out <- fmt.Sprint("the sum is ", msg.Is)
	case *protocols.AskFailed:
		c.out <- fmt.Sprintf("%+v: %v", msg.Request, msg.Err)
	}
}

// The actor receives an answer as a typed message.
func ExampleLink_Ask() {
	out := make(chan string)
	p, err := protocoltest.Connect(
		SumSpec(func() actor.Actor { return &asker{out: out} }),
		SumSpec(func() actor.Actor { return new(calculator) }))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer p.Close()
	fmt.Println(<-out)
	// Output:
	// the sum is 6
}

// inlineAsker has no case for answers: each request has a continuation.
type inlineAsker struct{ out chan<- string }

func (h *inlineAsker) Receive(ctx actor.Context) {
	up, ok := ctx.Message().(*protocols.LinkUp)
	if !ok {
		return
	}
	_, err := protocols.AskThen(up.Link, &GetSum{Of: []uint64{4, 5}}, func(sum *Sum, err error) {
		if err != nil {
			h.out <- err.Error()
			return
		}
		h.out <- fmt.Sprint("the sum is ", sum.Is)
	}, protocols.Within(time.Minute))
	if err != nil {
		h.out <- err.Error()
	}
}

// A continuation runs in the actor's turn, so it may use the actor's state.
func ExampleAskThen() {
	out := make(chan string)
	p, err := protocoltest.Connect(
		SumSpec(func() actor.Actor { return &inlineAsker{out: out} }),
		SumSpec(func() actor.Actor { return new(calculator) }))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer p.Close()
	fmt.Println(<-out)
	// Output:
	// the sum is 9
}

// Code outside actors waits for its answer.
func ExampleCall() {
	p, err := protocoltest.Connect(
		SumSpec(func() actor.Actor { return idleActor{} }),
		SumSpec(func() actor.Actor { return new(calculator) }))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer p.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	sum, err := protocols.Call[Sum](ctx, p.A.Link, &GetSum{Of: []uint64{20, 22}})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(sum.Is, p.A.AskStats().Answered)
	// Output:
	// 42 1
}

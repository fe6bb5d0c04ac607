package node_test

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/troupe-p2p/troupe/node"
	"github.com/troupe-p2p/troupe/protocols"
)

// Hi is a message of the protocol hi/1.
type Hi struct{ Text string }

// greeter is its actor: an ordinary protoactor actor.
type greeter struct{ received chan<- string }

func (g *greeter) Receive(ctx actor.Context) {
	switch msg := ctx.Message().(type) {
	case *protocols.LinkUp:
		if err := msg.Link.Send(&Hi{Text: "hi from a node"}); err != nil {
			fmt.Println(err)
		}
	case *Hi:
		g.received <- msg.Text
	}
}

func newGreeter(received chan<- string) *node.Node {
	key, err := crypto.GenerateKey()
	if err != nil {
		panic(err)
	}
	n, err := node.New(node.Config{
		Key:    key,
		Listen: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:0")},
		Specs: []protocols.Spec{{
			Name: "hi",
			Versions: []protocols.Version{{
				Number: 1, Length: 1, Messages: []protocols.Message{protocols.Type[Hi]()},
			}},
			New: func() actor.Actor { return &greeter{received} },
		}},
	})
	if err != nil {
		panic(err)
	}
	return n
}

// Two nodes in one process greet each other.
func Example() {
	ctx := context.Background()
	received := make(chan string, 2)
	a, b := newGreeter(received), newGreeter(received)
	for _, n := range []*node.Node{a, b} {
		if err := n.Start(ctx); err != nil {
			panic(err)
		}
		defer n.Stop(ctx)
	}
	if err := a.AddPeer(b.Self()); err != nil {
		panic(err)
	}
	fmt.Println(<-received)
	fmt.Println(<-received)
	// Output:
	// hi from a node
	// hi from a node
}

// next waits for the next event of a kind.
func next(events <-chan node.Event, kind node.EventKind) node.Event {
	for e := range events {
		if e.Kind == kind {
			return e
		}
	}
	panic("the events have ended")
}

// A program that embeds a node learns which peers come and go, and why.
func ExampleNode_Subscribe() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	received := make(chan string, 2)
	a, b := newGreeter(received), newGreeter(received)
	atA, atB := a.Subscribe(ctx), b.Subscribe(ctx)
	for _, n := range []*node.Node{a, b} {
		if err := n.Start(ctx); err != nil {
			panic(err)
		}
	}
	defer a.Stop(ctx)
	if err := a.AddPeer(b.Self()); err != nil {
		panic(err)
	}
	next(atB, node.PeerAdded)
	added := next(atA, node.PeerAdded)
	fmt.Println(added.Kind, added.Peer.Caps, "inbound:", added.Peer.Inbound)
	if err := b.Stop(ctx); err != nil {
		panic(err)
	}
	dropped := next(atA, node.PeerDropped)
	fmt.Println(dropped.Kind, "by the", dropped.Cause.Side, "side:", dropped.Cause.Reason)
	// Output:
	// peer added [hi/1] inbound: false
	// peer dropped by the remote side: client quitting
}

// A network is banned for a day, and the ban is lifted.
func ExampleNode_Ban() {
	n := newGreeter(nil)
	target, err := node.ParseBanTarget("203.0.113.0/24")
	if err != nil {
		panic(err)
	}
	if err := n.Ban(target, 24*time.Hour, "scans us"); err != nil {
		panic(err)
	}
	for _, b := range n.Bans() {
		fmt.Printf("%v until %v later: %s\n", b.Target, b.Until.Sub(b.Since), b.Reason)
	}
	fmt.Println(n.Unban(target), len(n.Bans()))
	// Output:
	// 203.0.113.0/24 until 24h0m0s later: scans us
	// true 0
}

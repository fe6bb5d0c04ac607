package protocols_test

import (
	"fmt"
	"slices"

	"github.com/troupe-p2p/troupe/protocols"
	"github.com/troupe-p2p/troupe/protocols/protocoltest"
)

// One message for many links is encoded and compressed once.
func ExampleBroadcast() {
	var links []*protocols.Link
	var remotes []*protocoltest.End
	for range 3 {
		p, err := protocoltest.Connect(EchoSpec(), protocoltest.ByHand(EchoSpec()))
		if err != nil {
			fmt.Println(err)
			return
		}
		defer p.Close()
		links, remotes = append(links, p.A.Link), append(remotes, p.B)
	}
	d, err := protocols.Broadcast(slices.Values(links), &Ping{N: 7}, protocols.Drop)
	if err != nil {
		fmt.Println(err)
	}
	fmt.Println(d.Queued, "links queued it")
	for _, r := range remotes {
		fmt.Println(protocoltest.Next[Ping](r).N)
	}
	// Output:
	// 3 links queued it
	// 7
	// 7
	// 7
}

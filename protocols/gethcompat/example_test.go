package gethcompat_test

import (
	"fmt"

	"github.com/ethereum/go-ethereum/p2p"

	"github.com/troupe-p2p/troupe/protocols/gethcompat"
	"github.com/troupe-p2p/troupe/protocols/protocoltest"
)

// A go-ethereum protocol runs on a link.
func ExampleSpecs() {
	greeting := make(chan string)
	hello := p2p.Protocol{
		Name: "hello", Version: 1, Length: 1,
		Run: func(peer *p2p.Peer, rw p2p.MsgReadWriter) error {
			if err := p2p.Send(rw, 0, []string{"hello"}); err != nil {
				return err
			}
			msg, err := rw.ReadMsg()
			if err != nil {
				return err
			}
			var words []string
			if err := msg.Decode(&words); err != nil {
				return err
			}
			greeting <- fmt.Sprintf("%s says %s", peer.Fullname(), words[0])
			_, err = rw.ReadMsg()
			return err
		},
	}
	specs, err := gethcompat.Specs(hello)
	if err != nil {
		fmt.Println(err)
		return
	}
	p, err := protocoltest.Connect(specs[0], protocoltest.ByHand(specs[0]))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer p.Close()
	if err := p2p.Send(byHand{p.B}, 0, []string{"good day"}); err != nil {
		fmt.Println(err)
	}
	fmt.Println(<-greeting)
	// Output:
	// protocoltest B says good day
}

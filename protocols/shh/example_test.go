package shh_test

import (
	"context"
	"fmt"

	"github.com/troupe-p2p/troupe/protocols/protocoltest"
	"github.com/troupe-p2p/troupe/protocols/shh"
)

// A node sends a message to another one that has the same password. A program puts the
// Spec into its node's Config; the example uses a link without a network.
func Example() {
	alice, bob := shh.New(shh.Config{}), shh.New(shh.Config{})
	defer alice.Close()
	defer bob.Close()
	link, err := protocoltest.Connect(alice.Spec(), bob.Spec())
	if err != nil {
		panic(err)
	}
	defer link.Close()

	topic := shh.Topic{0xca, 0xfe, 0, 7}
	key, err := bob.GenerateSymKeyFromPassword("a password")
	if err != nil {
		panic(err)
	}
	messages, err := bob.Subscribe(context.Background(), shh.Criteria{SymKeyID: key, Topics: []shh.Topic{topic}})
	if err != nil {
		panic(err)
	}

	if key, err = alice.GenerateSymKeyFromPassword("a password"); err != nil {
		panic(err)
	}
	if _, err := alice.Post(context.Background(), shh.NewMessage{
		SymKeyID: key, Topic: topic, Payload: []byte("hello"), TTL: 10, PowTime: 60,
	}); err != nil {
		panic(err)
	}
	m := <-messages
	fmt.Printf("%s, of topic %v, for %d seconds\n", string(m.Payload), m.Topic, m.TTL)
	// Output: hello, of topic 0xcafe0007, for 10 seconds
}

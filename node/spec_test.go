package node_test

import (
	"github.com/asynkron/protoactor-go/actor"

	"github.com/troupe-p2p/troupe/protocols"
)

// greeting is the one message of the protocol that these tests speak.
type greeting struct{ Text string }

// greetSpec is a protocol whose actors do nothing.
func greetSpec(name string) protocols.Spec {
	return greetSpecWith(name, func(actor.Context) {})
}

// greetSpecWith is one whose actors do what they are told.
func greetSpecWith(name string, receive func(actor.Context)) protocols.Spec {
	return protocols.Spec{
		Name:     name,
		Versions: []protocols.Version{{Number: 1, Length: 16, Messages: []protocols.Message{protocols.Type[greeting]()}}},
		New:      func() actor.Actor { return actor.ReceiveFunc(receive) },
	}
}

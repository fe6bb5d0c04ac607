package node_test

import (
	"github.com/asynkron/protoactor-go/actor"

	"github.com/troupe-p2p/troupe/protocols"
)

// greeting is the only message of greet/1, the protocol of these tests.
type greeting struct{ Text string }

// greetSpec is a protocol whose actors do nothing.
func greetSpec(name string) protocols.Spec {
	return greetSpecWith(name, func(actor.Context) {})
}

// greetSpecWith is a protocol whose actors run receive.
func greetSpecWith(name string, receive func(actor.Context)) protocols.Spec {
	return protocols.Spec{
		Name:     name,
		Versions: []protocols.Version{{Number: 1, Length: 16, Messages: []protocols.Message{protocols.Type[greeting]()}}},
		New:      func() actor.Actor { return actor.ReceiveFunc(receive) },
	}
}

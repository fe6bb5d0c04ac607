package protocols_test

import (
	"errors"
	"fmt"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/troupe-p2p/troupe/protocols"
	"github.com/troupe-p2p/troupe/protocols/protocoltest"
)

// Note is a message whose size the protocol limits.
type Note struct {
	Title string
	Tags  []string
}

// A limit is part of the message's declaration. The remote here has none, so it sends a message
// that is too large.
func ExampleMaxSize() {
	notes := func(opts ...protocols.MessageOption) protocols.Spec {
		return protocols.Spec{
			Name: "notes",
			Versions: []protocols.Version{{
				Number: 1, Length: 1, Messages: []protocols.Message{protocols.Type[Note](opts...)},
			}},
			New: func() actor.Actor { return idleActor{} },
		}
	}
	p, err := protocoltest.Connect(notes(protocols.MaxSize(1024), protocols.MaxItems(20)), notes())
	if err != nil {
		fmt.Println(err)
		return
	}
	defer p.Close()
	if err := p.B.Send(&Note{Title: "many tags", Tags: make([]string, 500)}); err != nil {
		fmt.Println(err)
	}
	var wrong *protocols.DecodeError
	if cause := p.A.Wait(); errors.As(cause, &wrong) {
		fmt.Println(cause.Reason)
		fmt.Println(wrong.Type, wrong.Err)
	}
	// Output:
	// breach of protocol
	// protocols_test.Note has more than the 20 RLP values that are allowed
}

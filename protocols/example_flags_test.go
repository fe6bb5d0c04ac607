package protocols_test

import (
	"flag"
	"fmt"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/troupe-p2p/troupe/protocols"
	"github.com/troupe-p2p/troupe/protocols/protocoltest"
)

// Motto is what a node sends to each peer.
type Motto struct{ Text string }

// MottoSpec describes motto/1 for one node.
func MottoSpec() protocols.Spec {
	var text string
	flags := flag.NewFlagSet("motto", flag.ContinueOnError)
	flags.StringVar(&text, "motto.text", "per aspera ad astra", "`TEXT` to send to each peer")
	return protocols.Spec{
		Name: "motto",
		Versions: []protocols.Version{{
			Number: 1, Length: 1, Messages: []protocols.Message{protocols.Type[Motto]()},
		}},
		New: func() actor.Actor {
			return actor.ReceiveFunc(func(ctx actor.Context) {
				if up, ok := ctx.Message().(*protocols.LinkUp); ok && !up.Restarted {
					_ = up.Link.Send(&Motto{Text: text})
				}
			})
		},
		Flags: flags,
	}
}

// A program gives the flags of its protocols to its own command line.
func ExampleSpec_flags() {
	spec := MottoSpec()
	program := flag.NewFlagSet("program", flag.ContinueOnError)
	spec.Flags.VisitAll(func(f *flag.Flag) { program.Var(f.Value, f.Name, f.Usage) })
	if err := program.Parse([]string{"--motto.text", "semper idem"}); err != nil {
		fmt.Println(err)
		return
	}
	p, err := protocoltest.Connect(spec, protocoltest.ByHand(MottoSpec()))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer p.Close()
	fmt.Println(protocoltest.Next[Motto](p.B).Text)
	// Output: semper idem
}

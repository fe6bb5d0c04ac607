package node_test

import (
	"context"
	"fmt"

	"github.com/ethereum/go-ethereum/crypto"

	"github.com/troupe-p2p/troupe/node"
	"github.com/troupe-p2p/troupe/protocols"
)

// weather is the service of the program. JSON-RPC methods are its exported methods, with a small
// first letter.
type weather struct{ degrees map[string]int }

// In is weather_in. The caller receives its error as text.
func (w weather) In(_ context.Context, city string) (int, error) {
	degrees, ok := w.degrees[city]
	if !ok {
		return 0, fmt.Errorf("unknown city %s", city)
	}
	return degrees, nil
}

// A program serves a namespace of its own beside the node's, and allows a protocol to be added
// later. Config.Admin.IPC and HTTP serve the same to other programs.
func ExampleNode_Attach() {
	key, err := crypto.GenerateKey()
	if err != nil {
		panic(err)
	}
	n, err := node.New(node.Config{
		Key:   key,
		Specs: []protocols.Spec{greetSpec("greet")},
		Admin: node.Admin{
			APIs:      []node.API{{Namespace: "weather", Service: weather{map[string]int{"Bern": 21}}}},
			Available: []protocols.Spec{greetSpec("later")},
		},
	})
	if err != nil {
		panic(err)
	}
	ctx := context.Background()
	if err := n.Start(ctx); err != nil {
		panic(err)
	}
	defer n.Stop(ctx)
	client, err := n.Attach()
	if err != nil {
		panic(err)
	}
	defer client.Close()

	var degrees int
	fmt.Println(client.CallContext(ctx, &degrees, "weather_in", "Bern"), degrees)
	fmt.Println(client.CallContext(ctx, &degrees, "weather_in", "Atlantis"))
	fmt.Println(client.CallContext(ctx, nil, "admin_addProtocol", "later"))
	fmt.Println(n.Info().Caps)
	// Output:
	// <nil> 21
	// unknown city Atlantis
	// <nil>
	// [greet/1 later/1]
}

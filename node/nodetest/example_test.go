package nodetest_test

import (
	"fmt"

	"github.com/troupe-p2p/troupe/node"
	"github.com/troupe-p2p/troupe/node/nodetest"
	"github.com/troupe-p2p/troupe/protocols"
)

// Three nodes in a row. The middle one is cut off and comes back: what was sent in between is
// not lost.
func Example() {
	var relays [3]relay
	c, err := nodetest.Open(3, func(i int, cfg *node.Config) {
		cfg.Specs = []protocols.Spec{relays[i].spec()}
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()
	c.Line()
	c.Await("all services have their links", func() bool {
		return relays[0].Links()+relays[1].Links()+relays[2].Links() == 4
	})

	c.Partition([]int{1})
	relays[0].Post("hello")
	c.Heal()
	c.Await("the note", func() bool {
		_, ok := relays[2].Heard("hello")
		return ok
	})
	fmt.Println("received at the other end")
	// Output: received at the other end
}

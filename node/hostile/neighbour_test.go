package hostile_test

import (
	"testing"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/troupe-p2p/troupe/actors/actortest"
	"github.com/troupe-p2p/troupe/node"
	"github.com/troupe-p2p/troupe/node/nodetest"
	"github.com/troupe-p2p/troupe/protocols"
	"github.com/troupe-p2p/troupe/protocols/bench"
)

// neighbour is a well-behaved node with a link to the victim.
type neighbour struct {
	link    *protocols.Link
	answers chan uint64
}

// meet starts a neighbour.
func meet(t testing.TB, v *victim) *neighbour {
	t.Helper()
	nb := &neighbour{answers: make(chan uint64, 1<<12)}
	up := make(chan *protocols.Link, 1)
	spec := bench.Spec()
	spec.New = func() actor.Actor {
		return actor.ReceiveFunc(func(ctx actor.Context) {
			switch msg := ctx.Message().(type) {
			case *protocols.LinkUp:
				up <- msg.Link.Shared()
			case *bench.EchoReply:
				nb.answers <- msg.ID
			}
		})
	}
	n := nodetest.Start(t, func(c *node.Config) { c.Specs = []protocols.Spec{spec} })
	nodetest.Connect(t, n, v.Node)
	nb.link = actortest.Receive(t, up)
	return nb
}

// rate says how a neighbour's requests were answered.
type rate struct {
	asked, answered int
	longest         time.Duration // from a request to its answer
}

// keepAsking requests an echo 200 times a second, whether answers come or not, until stop is
// called, which returns the result.
func (nb *neighbour) keepAsking() (stop func() rate) {
	const interval = 5 * time.Millisecond
	quit, result := make(chan struct{}), make(chan rate)
	go func() {
		var p rate
		var asked []time.Time
		begin := time.Now()
		tick := time.NewTicker(interval)
		defer tick.Stop()
		for {
			select {
			case now := <-tick.C:
				for p.asked < int(now.Sub(begin)/interval) { // a busy machine drops ticks
					if nb.link.Send(&bench.Echo{ID: uint64(p.asked), Payload: []byte("echo")}) == nil {
						asked = append(asked, now)
					}
					p.asked++
				}
			case id := <-nb.answers:
				p.answered++
				p.longest = max(p.longest, time.Since(asked[id]))
			case <-quit:
				result <- p
				return
			}
		}
	}()
	return func() rate {
		close(quit)
		return <-result
	}
}

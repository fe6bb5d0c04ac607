package troupe_test

import (
	"testing"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/troupe-p2p/troupe/node"
	"github.com/troupe-p2p/troupe/protocols"
	"github.com/troupe-p2p/troupe/protocols/bench"
)

// neighbour is a well-behaved node that the victim has a link with.
type neighbour struct {
	link    *protocols.Link
	answers chan uint64
}

func meet(t testing.TB, v *victim) *neighbour {
	t.Helper()
	nb := &neighbour{answers: make(chan uint64, 1<<12)}
	up := make(chan *protocols.Link, 1)
	spec := bench.Spec()
	spec.New = func() actor.Actor {
		return behave(func(ctx actor.Context) {
			switch msg := ctx.Message().(type) {
			case *protocols.LinkUp:
				up <- msg.Link.Shared()
			case *bench.EchoReply:
				nb.answers <- msg.ID
			}
		})
	}
	n := startNode(t, func(c *node.Config) { c.Specs = []protocols.Spec{spec} })
	connected(t, n, v.Node)
	nb.link = within(t, up)
	return nb
}

// pace is how a neighbour's requests fared.
type pace struct {
	asked, answered int
	longest         time.Duration // from a request to its answer
}

// keepAsking asks for an echo 200 times a second, whether the answers come or not, until
// the result is asked for.
func (nb *neighbour) keepAsking() (stop func() pace) {
	const interval = 5 * time.Millisecond
	quit, result := make(chan struct{}), make(chan pace)
	go func() {
		var p pace
		var asked []time.Time
		begin := time.Now()
		tick := time.NewTicker(interval)
		defer tick.Stop()
		for {
			select {
			case now := <-tick.C:
				for p.asked < int(now.Sub(begin)/interval) { // a busy machine leaves ticks out
					if nb.link.Send(&bench.Echo{ID: uint64(p.asked), Payload: []byte("still there?")}) == nil {
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
	return func() pace {
		close(quit)
		return <-result
	}
}

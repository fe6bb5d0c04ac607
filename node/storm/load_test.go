package storm_test

import (
	"fmt"
	"log/slog"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/troupe-p2p/troupe/actors/actortest"
	"github.com/troupe-p2p/troupe/node"
	"github.com/troupe-p2p/troupe/node/nodetest"
	"github.com/troupe-p2p/troupe/node/nodetest/fixture"
	"github.com/troupe-p2p/troupe/protocols"
)

// window is how many lines of a link wait for their replies at the same time.
const window = 4

// echo answers each Line with a Reply of the same number. It keeps no state, so that a crash costs
// nothing.
func echo(name string) protocols.Spec {
	return fixture.Lines(name, func() actor.ReceiveFunc {
		var link *protocols.Link
		return func(ctx actor.Context) {
			switch msg := ctx.Message().(type) {
			case *protocols.LinkUp:
				link = msg.Link
			case *fixture.Line:
				_ = link.Send(&fixture.Reply{N: msg.N, Text: msg.Text}) // an error: the link ends
			}
		}
	})
}

// caller sends numbered lines on its links, as long as on is set, and checks that the replies come
// in order, each once.
type caller struct {
	on      atomic.Bool
	replies atomic.Int64
	owed    atomic.Int64 // lines without a reply, on all links that are up

	mu    sync.Mutex
	wrong []string
}

func (c *caller) problem(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.wrong = append(c.wrong, fmt.Sprintf(format, args...))
}

// problems returns the wrong replies.
func (c *caller) problems() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.wrong
}

func (c *caller) spec(name string) protocols.Spec {
	return fixture.Lines(name, func() actor.ReceiveFunc {
		var link *protocols.Link
		var sent, answered uint64
		send := func() {
			for c.on.Load() && sent < answered+window {
				if link.Send(&fixture.Line{N: sent, Text: make([]byte, 100)}) != nil {
					return // the link ends
				}
				sent++
				c.owed.Add(1)
			}
		}
		return func(ctx actor.Context) {
			switch msg := ctx.Message().(type) {
			case *protocols.LinkUp:
				link = msg.Link
				send()
			case *fixture.Reply:
				if msg.N != answered {
					c.problem("reply %d, want %d", msg.N, answered)
				}
				answered = msg.N + 1
				c.replies.Add(1)
				c.owed.Add(-1)
				send()
			case *protocols.LinkDown:
				c.owed.Add(-int64(sent - answered))
			}
		}
	})
}

// callers runs nodes with one actor system, each with a link to the node at the address, and returns
// when all have their link.
func callers(t *testing.T, count int, system *actor.ActorSystem, to *node.Node, spec protocols.Spec) []*node.Node {
	t.Helper()
	list := make([]*node.Node, count)
	for i := range list {
		list[i] = nodetest.Start(t, func(c *node.Config) {
			c.Listen, c.System, c.Specs = []netip.AddrPort{}, system, []protocols.Spec{spec}
			c.StaticNodes = []*enode.Node{to.Self()}
		})
	}
	actortest.Eventually(t, "all links are up", func() bool { return to.PeerCount() == count })
	return list
}

// newSystem makes the actor system of the callers.
func newSystem(t *testing.T) *actor.ActorSystem {
	system := actor.NewActorSystem(actor.WithLoggerFactory(func(*actor.ActorSystem) *slog.Logger { return slog.New(slog.DiscardHandler) }))
	t.Cleanup(system.Shutdown)
	return system
}

package node_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/troupe-p2p/troupe/actors/supervise"
	"github.com/troupe-p2p/troupe/node"
	"github.com/troupe-p2p/troupe/node/nodetest"
	"github.com/troupe-p2p/troupe/protocols"
)

// ledger records what services receive, in order.
type ledger struct {
	mu    sync.Mutex
	lines []string
}

func (l *ledger) add(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, fmt.Sprintf(format, args...))
}

func (l *ledger) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.lines, ", ")
}

// servedSpec describes a protocol with a service that records what it receives.
func servedSpec(name string, into *ledger) protocols.Spec {
	s := greetSpec(name)
	s.Service = func() actor.Actor {
		return actor.ReceiveFunc(func(ctx actor.Context) {
			switch msg := ctx.Message().(type) {
			case *actor.Started:
				into.add("%s started", name)
			case *protocols.LinkJoined:
				into.add("%s joined %v", name, msg.Restarted)
			case *protocols.LinkLeft:
				into.add("%s left", name)
			case *actor.Stopping:
				into.add("%s stopping", name)
			}
		})
	}
	return s
}

// TestServices: each protocol has a service. Its crashes don't affect links, and it receives the
// end of all links before it stops.
func TestServices(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		world := nodetest.NewNetwork()
		var first, second ledger
		n := memNode(t, world, home, func(c *node.Config) {
			c.Specs = []protocols.Spec{servedSpec("greet", &first), servedSpec("bow", &second)}
			c.Chaos = []node.Chaos{{Pattern: "*/service-greet", Interval: 40 * time.Second}}
		})
		w := nodetest.Watch(t, n)
		for i := range 2 { // nodes that speak only one of the two protocols
			memNode(t, world, addrs("203.0.113.2:30303", "203.0.113.3:30303")[i], func(c *node.Config) { c.StaticNodes = []*enode.Node{n.Self()} })
			w.Next(node.PeerAdded)
		}
		synctest.Wait()
		w.Until("a restart", func(e node.Event) bool {
			return e.Kind == node.Lifecycle && e.Step.Event == supervise.Restarted && strings.HasSuffix(e.Step.Actor, "/service-greet")
		})
		synctest.Wait()
		if n.PeerCount() != 2 {
			t.Errorf("%d peers after a crash of the service, want 2", n.PeerCount())
		}
		nodetest.Stop(t, n)
		want := "greet started, greet joined false, greet joined false, greet started, greet joined true, greet joined true, greet left, greet left, greet stopping"
		if got := first.String(); got != want {
			t.Errorf("the service of greet received\n%s\nwant\n%s", got, want)
		}
		if got := second.String(); got != "bow started, bow stopping" {
			t.Errorf("the service of a protocol without links received %s", got)
		}
	})
}

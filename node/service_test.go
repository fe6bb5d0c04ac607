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

// ledger is what services were told, in the order in which they were.
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

// servedSpec is a protocol with a service that writes down what it is told.
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

// TestServices: each protocol has one, whose crashes no link notices, and which hears of
// the end of all links before its own.
func TestServices(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		world := nodetest.NewNetwork()
		var first, second ledger
		n := memNode(t, world, home, func(c *node.Config) {
			c.Specs = []protocols.Spec{servedSpec("greet", &first), servedSpec("bow", &second)}
			c.Chaos = []node.Chaos{{Pattern: "*/service-greet", Interval: 40 * time.Second}}
		})
		w := watch(t, n)
		for i := range 2 { // they speak but one of the two
			memNode(t, world, addrs("203.0.113.2:30303", "203.0.113.3:30303")[i], func(c *node.Config) { c.StaticNodes = []*enode.Node{n.Self()} })
			w.next(node.PeerAdded)
		}
		synctest.Wait()
		w.until("a restart", func(e node.Event) bool {
			return e.Kind == node.Lifecycle && e.Step.Event == supervise.Restarted && strings.HasSuffix(e.Step.Actor, "/service-greet")
		})
		synctest.Wait()
		if n.PeerCount() != 2 {
			t.Errorf("%d peers after a crash of the service, want 2", n.PeerCount())
		}
		stopNode(t, n)
		want := "greet started, greet joined false, greet joined false, greet started, greet joined true, greet joined true, greet left, greet left, greet stopping"
		if got := first.String(); got != want {
			t.Errorf("the service of greet was told\n%s\nwant\n%s", got, want)
		}
		if got := second.String(); got != "bow started, bow stopping" {
			t.Errorf("the service of a protocol without links was told %s", got)
		}
	})
}

package node_test

import (
	"context"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/troupe-p2p/troupe/actors/actortest"
	"github.com/troupe-p2p/troupe/node"
	"github.com/troupe-p2p/troupe/node/nodetest"
	"github.com/troupe-p2p/troupe/node/nodetest/fixture"
	"github.com/troupe-p2p/troupe/protocols"
)

// hangingNodes are candidates that never come, and whose end hangs.
type hangingNodes struct{ release <-chan struct{} }

func (h hangingNodes) Next() bool        { <-h.release; return false }
func (h hangingNodes) Node() *enode.Node { return nil }
func (h hangingNodes) Close()            { <-h.release }

// TestStopIsDivided: every part of the node is slow to stop or hangs, and the times do not add up.
// Stop needs no context to end: it takes four seconds, and what a service asks for on top. What must
// be said to the remotes is said before, and what hangs is in the log.
func TestStopIsDivided(t *testing.T) {
	for name, tt := range map[string]struct{ asks, stops time.Duration }{
		"no service asks for time":       {0, 4 * time.Second},
		"a service asks for ten seconds": {10 * time.Second, 13500 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { stopIsDivided(t, tt.asks, tt.stops) })
		})
	}
}

func stopIsDivided(t *testing.T, asks, stops time.Duration) {
	release := make(chan struct{})
	world, log := nodetest.NewNetwork(), new(actortest.Log)
	flushing := flushingSpec("flush", time.Hour, asks, new(ledger))
	stuck := greetSpecWith("greet", func(ctx actor.Context) {
		if _, ok := ctx.Message().(*protocols.LinkUp); ok {
			<-release
		}
	})
	n := memNode(t, world, home, func(c *node.Config) {
		c.Specs, c.Candidates = []protocols.Spec{stuck, flushing}, hangingNodes{release}
		c.Logger = slog.New(slog.NewTextHandler(log, nil))
		c.ListenFunc = func(ctx context.Context, on netip.AddrPort) (net.Listener, error) {
			ln, err := world.Listen(ctx, on)
			return &slowListener{Listener: ln}, err
		}
	})
	remote, err := greetOver(open(t, world, stranger, home), fixture.Key(t), n)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := greetOver(open(t, world, friend.Addr(), home), fixture.Key(t), n); err != nil {
		t.Fatal(err)
	}
	open(t, world, stranger, home) // a handshake in progress
	synctest.Wait()
	events := nodetest.Watch(t, n)
	begin := time.Now()
	if err := n.Stop(t.Context()); err != nil {
		t.Error(err)
	}
	<-n.Done()
	if took := time.Since(begin); took != stops {
		t.Errorf("Stop took %v, want %v", took, stops)
	}
	for range 2 {
		if took := events.Next(node.PeerDropped).Time.Sub(begin); took != 2*time.Second {
			t.Errorf("a link ended after %v, want 2 s", took)
		}
	}
	remote.AwaitDisconnect(t)
	var late []string
	for _, line := range log.Lines(notInTime) {
		_, path, _ := strings.Cut(line, "actor=")
		path = strings.Fields(path)[0]
		late = append(late, path[strings.LastIndex(path, "/")+1:])
	}
	slices.Sort(late)
	if want := []string{"candidates", "peers", "service-flush"}; !slices.Equal(late, want) {
		t.Errorf("late according to the log: %q, want %q", late, want)
	}
	close(release)
	actortest.After(2 * time.Hour) // the service
}

package node_test

import (
	"context"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/troupe-p2p/troupe/node"
	"github.com/troupe-p2p/troupe/node/nodetest"
)

// stuckHandler is a log that takes every record, and does not return until the test releases it.
type stuckHandler struct{ release <-chan struct{} }

func (stuckHandler) Enabled(context.Context, slog.Level) bool { return true }
func (h stuckHandler) WithAttrs([]slog.Attr) slog.Handler     { return h }
func (h stuckHandler) WithGroup(string) slog.Handler          { return h }

func (h stuckHandler) Handle(context.Context, slog.Record) error {
	<-h.release
	return nil
}

// TestLogBlocks: a node whose log blocks starts, has links, restarts actors that crash, and stops
// in its time.
func TestLogBlocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		defer close(release)
		world := nodetest.NewNetwork()
		n := memNode(t, world, home, func(c *node.Config) {
			c.Logger = slog.New(stuckHandler{release})
			c.Chaos = []node.Chaos{{Pattern: "*/dialer", Interval: time.Second}, {Pattern: "*/greet", Interval: time.Second}}
		})
		other := memNode(t, world, friend, func(c *node.Config) { c.StaticNodes = []*enode.Node{n.Self()} })
		time.Sleep(10 * time.Second)
		if len(n.Peers()) != 1 || len(other.Peers()) != 1 {
			t.Errorf("the nodes have %d and %d peers, want 1", len(n.Peers()), len(other.Peers()))
		}
		if took := stopIn(t, n); took > time.Second {
			t.Errorf("Stop took %v", took)
		}
		synctest.Wait()
		if len(other.Peers()) != 0 {
			t.Error("the link has not ended")
		}
	})
}

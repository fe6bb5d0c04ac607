package node_test

import (
	"errors"
	"testing"

	"github.com/troupe-p2p/troupe/node"
	"github.com/troupe-p2p/troupe/node/nodetest"
	"github.com/troupe-p2p/troupe/node/nodetest/fixture"
	"github.com/troupe-p2p/troupe/protocols"
	"github.com/troupe-p2p/troupe/wire"
)

func TestMain(m *testing.M) { fixture.Main(m) }

var greet = wire.Cap{Name: "greet", Version: 1}

// startNode runs a node that listens on loopback and offers greet/1, until the test ends. edit
// may be nil.
func startNode(t testing.TB, edit func(*node.Config)) *node.Node {
	t.Helper()
	return nodetest.Start(t, func(c *node.Config) {
		c.Specs = []protocols.Spec{greetSpec("greet")}
		if edit != nil {
			edit(c)
		}
	})
}

// refusedWith checks that the remote ended a connection with this reason.
func refusedWith(t testing.TB, err error, want wire.DiscReason) {
	t.Helper()
	var remote *wire.RemoteDisconnect
	if !errors.As(err, &remote) || remote.Reason != want {
		t.Errorf("error %v, want the remote's %v", err, want)
	}
}

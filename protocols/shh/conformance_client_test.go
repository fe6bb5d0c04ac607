//go:build conformance

package shh_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/troupe-p2p/troupe/node"
	"github.com/troupe-p2p/troupe/node/nodetest"
	"github.com/troupe-p2p/troupe/protocols"
	"github.com/troupe-p2p/troupe/protocols/shh"
)

// testClient: the original's client gets the same results from a node of ours as from an
// original node.
func testClient(t *testing.T) {
	dir, err := os.MkdirTemp("", "ipc") // a socket's path must be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	socket := filepath.Join(dir, "node.ipc")
	w := newWhisper(t, shh.Config{})
	n := nodetest.Start(t, func(c *node.Config) {
		c.Specs, c.Admin.IPC = []protocols.Spec{w.Spec()}, socket
	})
	out, err := exec.Command(originalBinary, "client", socket, n.Self().URLv4()).CombinedOutput()
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

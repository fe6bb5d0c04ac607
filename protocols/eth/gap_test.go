package eth_test

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/troupe-p2p/troupe/actors/actortest"
	"github.com/troupe-p2p/troupe/node"
	"github.com/troupe-p2p/troupe/node/nodetest"
	"github.com/troupe-p2p/troupe/protocols"
	"github.com/troupe-p2p/troupe/protocols/eth"
	"github.com/troupe-p2p/troupe/protocols/eth/ethtest"
)

// TestGapIsNamed: blocks that are missing between the files and the window are in the log, once.
func TestGapIsNamed(t *testing.T) {
	b, err := os.ReadFile(exported)
	if err != nil {
		t.Fatal(err)
	}
	inMarket(t, func(m *market) {
		file := filepath.Join(m.TempDir(), "short.ere")
		if err := os.WriteFile(file, ethtest.FirstOfEre(b, 101), 0o600); err != nil {
			m.Fatal(err)
		}
		var peers []*enode.Node
		for range 3 {
			peers = append(peers, m.provide(&provider{}, 70).node.Self())
		}
		var log nodetest.Log
		side := eth.New(eth.Config{Chain: m.network, History: []string{file}})
		nodetest.Start(m.T, func(c *node.Config) {
			m.world.Attach(c, netip.MustParseAddrPort("10.9.0.1:30303"))
			c.Specs, c.StaticNodes, c.Logger = []protocols.Spec{side.Spec()}, peers, log.Logger()
		})
		actortest.After(5 * time.Minute)
		if r := side.View().Range(); r.Earliest != 537 || r.Latest != 600 {
			m.Errorf("the node announces %+v", r)
		}
		lines := log.Lines("blocks are missing between the history files")
		if len(lines) != 1 || !strings.Contains(lines[0], `"first":101,"last":536`) {
			m.Errorf("the log: %q; want one line with blocks 101 to 536", lines)
		}
	})
}

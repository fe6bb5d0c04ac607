//go:build conformance

package interop_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/rpc"

	"github.com/troupe-p2p/troupe/actors/actortest"
	"github.com/troupe-p2p/troupe/protocols/eth"
	"github.com/troupe-p2p/troupe/protocols/eth/ethtest"
)

// suiteCases is the number of cases of go-ethereum's suite for eth.
const suiteCases = 24

// startWithChain runs the node's program until the test ends, with the suite's chain. It returns the
// node's URL and process ID once all files are indexed.
func startWithChain(t testing.TB, args ...string) (url string, pid int) {
	t.Helper()
	dir := t.TempDir()
	receipts, err := filepath.Abs("../../protocols/eth/history/testdata")
	if err != nil {
		t.Fatal(err)
	}
	url, pid = startProcess(t, append([]string{
		"--datadir", dir, "--nat", "none", "--nodiscover", "--protocols", "eth", "--eth.genesis", ethtest.Chain(t, "genesis.json"),
		"--eth.history", ethtest.Chain(t, "chain.rlp") + "," + receipts,
	}, args...)...)
	api, err := rpc.DialContext(t.Context(), filepath.Join(dir, "node.ipc"))
	if err != nil {
		t.Fatal(err)
	}
	defer api.Close()
	actortest.Eventually(t, "all blocks are served", func() bool {
		var info struct{ Protocols struct{ Eth eth.NodeInfo } }
		if err := api.CallContext(t.Context(), &info, "admin_nodeInfo"); err != nil {
			t.Fatal(err)
		}
		return info.Protocols.Eth.History.Complete && info.Protocols.Eth.Range.Latest == 600
	})
	return url, pid
}

// TestConformanceEth: go-ethereum's suite, with the newest version of eth and with one that has
// other messages.
func TestConformanceEth(t *testing.T) {
	// The suite tells an execution client's engine API what the head is. This node has none.
	engine := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = json.NewEncoder(w).Encode(map[string]any{"jsonrpc": "2.0", "id": 1, "result": map[string]any{}})
	}))
	defer engine.Close()
	for _, versions := range []string{"72,71,70,69", "71,70,69"} {
		t.Run(versions, func(t *testing.T) {
			url, _ := startWithChain(t, "--eth.versions", versions, "--eth.state", ethtest.Chain(t, "headstate.json"))
			ctx, cancel := context.WithTimeout(t.Context(), actortest.Patience) // the suite has none for all cases
			defer cancel()
			out, err := exec.CommandContext(ctx, "devp2p", "rlpx", "eth-test",
				"--node", url, "--chain", filepath.Dir(ethtest.Chain(t, "chain.rlp")),
				"--engineapi", engine.URL, "--jwtsecret", "0x"+strings.Repeat("73", 32)).CombinedOutput()
			for line := range strings.Lines(string(out)) {
				if strings.HasPrefix(line, "-- OK") || strings.HasPrefix(line, "-- FAIL") {
					t.Log(strings.TrimSpace(line))
				}
			}
			if want := fmt.Sprintf("%[1]d/%[1]d tests passed", suiteCases); err != nil || !strings.Contains(string(out), want) {
				t.Errorf("devp2p rlpx eth-test: %v; want %s; the output:\n%s", err, want, out)
			}
		})
	}
}

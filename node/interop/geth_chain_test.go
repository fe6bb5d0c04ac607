//go:build conformance

package interop_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/rpc"

	"github.com/troupe-p2p/troupe/actors/actortest"
	"github.com/troupe-p2p/troupe/protocols/eth/ethtest"
)

// runGeth runs go-ethereum's geth, in a fresh data directory with the test chain's genesis block,
// until the test ends. It knows the blocks of the file, if there is one. The client calls its API.
func runGeth(t testing.TB, blocks string) (api *rpc.Client, pid int) {
	t.Helper()
	return runGethIn(t, t.TempDir(), blocks)
}

// runGethIn is runGeth with a data directory.
func runGethIn(t testing.TB, dir, blocks string) (api *rpc.Client, pid int) {
	t.Helper()
	geth := func(args ...string) *exec.Cmd {
		return exec.Command("geth", append([]string{"--datadir", dir, "--verbosity", "3", "--syncmode", "full", "--state.scheme", "hash"}, args...)...)
	}
	if out, err := geth("init", ethtest.Chain(t, "genesis.json")).CombinedOutput(); err != nil {
		t.Fatalf("geth init: %v\n%s", err, out)
	}
	if blocks != "" {
		if out, err := geth("import", blocks).CombinedOutput(); err != nil {
			t.Fatalf("geth import: %v\n%s", err, out)
		}
	}
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	cmd := geth("--port", "0", "--nodiscover", "--nat", "none", "--authrpc.port", "0", "--networkid", "3503995874084926")
	cmd.Stderr = log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		if err := cmd.Wait(); err != nil {
			t.Errorf("geth: %v", err)
		}
		if t.Failed() {
			text, _ := os.ReadFile(log.Name())
			t.Logf("the log of geth:\n%s", text)
		}
	})
	actortest.Eventually(t, "geth serves its API", func() bool {
		api, err = rpc.DialContext(t.Context(), filepath.Join(dir, "geth.ipc"))
		return err == nil
	})
	t.Cleanup(api.Close)
	return api, cmd.Process.Pid
}

// call calls a method of geth's API.
func call[R any](t testing.TB, c *rpc.Client, method string, params ...any) (result R) {
	t.Helper()
	if err := c.CallContext(t.Context(), &result, method, params...); err != nil {
		t.Fatalf("%s: %v", method, err)
	}
	return result
}

// tellHead tells geth which block is the chain's head, as a consensus client does.
func tellHead(t testing.TB, c *rpc.Client) {
	t.Helper()
	text, err := os.ReadFile(ethtest.Chain(t, "headfcu.json"))
	if err != nil {
		t.Fatal(err)
	}
	var request struct {
		Method string
		Params []any
	}
	if err := json.Unmarshal(text, &request); err != nil {
		t.Fatal(err)
	}
	t.Logf("%s: %v", request.Method, call[any](t, c, request.Method, request.Params...))
}

// TestConformanceGethSyncs: a geth that knows the genesis block alone gets the whole chain from our
// node, which is its only peer.
func TestConformanceGethSyncs(t *testing.T) {
	url, _ := startWithChain(t)
	geth, _ := runGeth(t, "")
	if !call[bool](t, geth, "admin_addPeer", url) {
		t.Fatal("geth does not add the peer")
	}
	actortest.Eventually(t, "geth has a peer", func() bool { return call[hexutil.Uint](t, geth, "net_peerCount") == 1 })
	tellHead(t, geth)
	actortest.Eventually(t, "geth has block 600", func() bool { return call[hexutil.Uint64](t, geth, "eth_blockNumber") == 600 })
	if peers := call[hexutil.Uint](t, geth, "net_peerCount"); peers != 1 {
		t.Errorf("geth has %d peers", peers)
	}
}

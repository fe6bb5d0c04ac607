package eth_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/rlp"
	"github.com/ethereum/go-ethereum/rpc"

	"github.com/troupe-p2p/troupe/actors/actortest"
	"github.com/troupe-p2p/troupe/protocols/eth"
	"github.com/troupe-p2p/troupe/protocols/eth/chain"
	"github.com/troupe-p2p/troupe/protocols/eth/ethtest"
	"github.com/troupe-p2p/troupe/protocols/eth/execution"
	"github.com/troupe-p2p/troupe/protocols/protocoltest"
)

// executionAPI is that of an execution node that has the test chain up to a block.
type executionAPI struct {
	files *eth.Files
	id    uint64
	to    *atomic.Uint64
}

func (a executionAPI) ChainId() hexutil.Uint64 { return hexutil.Uint64(a.id) }

func (a executionAPI) GetBlockByNumber(number rpc.BlockNumber, _ bool) (*types.Header, error) {
	n := uint64(number)
	if number == rpc.LatestBlockNumber {
		n = a.to.Load()
	}
	text, err := a.files.Read(chain.Header, n)
	if err != nil || n > a.to.Load() {
		return nil, err
	}
	h := new(types.Header)
	return h, rlp.DecodeBytes(text, h)
}

// serveExecution serves the API on a socket, whose path it returns.
func serveExecution(t testing.TB, a executionAPI) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "api.ipc")
	l, server, err := rpc.StartIPCEndpoint(path, []rpc.API{{Namespace: "eth", Service: a}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close(); server.Stop() })
	return path
}

// TestExecutionNode: a node follows the head of its execution node, which alone says what the head is, and has
// the blocks from its peer, also
// after a crash of the service.
func TestExecutionNode(t *testing.T) {
	t.Parallel() // it waits for a poll
	n, files := testChain(t)
	b, err := os.ReadFile("history/testdata/unknown-00000-9d78f735-noproofs.ere")
	if err != nil {
		t.Fatal(err)
	}
	short := filepath.Join(t.TempDir(), "short.ere")
	if err := os.WriteFile(short, ethtest.FirstOfEre(b, 101), 0o600); err != nil {
		t.Fatal(err)
	}
	to := new(atomic.Uint64)
	to.Store(500)
	api := executionAPI{files, n.Config.ChainID.Uint64(), to}
	follower := eth.New(eth.Config{Chain: n, History: []string{short}, RPC: serveExecution(t, api), Versions: []uint{69}})
	peer := eth.New(eth.Config{Chain: n, Source: files, Versions: []uint{69}})
	p := protocoltest.NewPair(t, follower.Spec(), peer.Spec())
	peer.View().Set(chain.Block{Number: 600, Hash: hashOf(t, files, 600)}, 0)
	latest := func(want uint64) {
		t.Helper()
		actortest.Eventually(t, "the head of the execution node is served", func() bool {
			r := follower.View().Range()
			return r.Latest == want && r.LatestHash == hashOf(t, files, want)
		})
	}
	latest(500)
	p.A.CrashService()
	to.Store(520)
	latest(520)
	var info struct {
		RPC *execution.State `json:"rpc"`
	}
	text, err := json.Marshal(follower.Spec().NodeInfo())
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &info); err != nil || info.RPC == nil || info.RPC.Health != execution.Working || info.RPC.Number != 520 {
		t.Errorf("%s: %v", text, err)
	}
}

// TestExecutionFlag: what --eth.rpc takes. Neither an error nor the value as it is shown has
// credentials.
func TestExecutionFlag(t *testing.T) {
	for text, ok := range map[string]bool{
		"": true, "http://user:secret@host/secret": true, "wss://host": true, "/a/geth.ipc": true,
		"ftp://secret": false, "http://secret:secret": false,
	} {
		flag := eth.New(eth.Config{}).Spec().Flags.Lookup("eth.rpc")
		err := flag.Value.Set(text)
		if (err == nil) != ok || err != nil && strings.Contains(err.Error(), "secret") || strings.Contains(flag.Value.String(), "secret") {
			t.Errorf("%q: %v, shown as %q", text, err, flag.Value.String())
		}
	}
	help := eth.New(eth.Config{RPC: "http://user:secret@host/secret"}).Spec().Flags.Lookup("eth.rpc").DefValue
	if help != "http://host" {
		t.Errorf("the default is shown as %q", help)
	}
}

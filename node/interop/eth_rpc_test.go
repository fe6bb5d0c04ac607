//go:build conformance

package interop_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/rpc"

	"github.com/troupe-p2p/troupe/actors/actortest"
	"github.com/troupe-p2p/troupe/protocols/eth"
	"github.com/troupe-p2p/troupe/protocols/eth/chain"
	"github.com/troupe-p2p/troupe/protocols/eth/ethtest"
	"github.com/troupe-p2p/troupe/protocols/eth/execution"
)

// TestConformanceExecutionNode: a node with --eth.rpc announces the head of a geth, and follows when
// geth gets a new one from its consensus client. geth is its only peer, and one peer makes no head:
// the node beside it, without --eth.rpc, has none. The accounts of senders are geth's, too.
func TestConformanceExecutionNode(t *testing.T) {
	all, err := os.ReadFile(ethtest.Chain(t, "chain.rlp"))
	if err != nil {
		t.Fatal(err)
	}
	blocks, dir := filepath.Join(t.TempDir(), "blocks.rlp"), t.TempDir()
	if err := os.WriteFile(blocks, ethtest.FirstOfChain(all, 590), 0o600); err != nil {
		t.Fatal(err)
	}
	geth, _ := runGethIn(t, dir, blocks)
	first := headOf(t, geth)
	socket := filepath.Join(dir, "geth.ipc")
	follower := startBeside(t, geth, "--eth.rpc", socket)
	other := startBeside(t, geth)
	serves := func(what string, b gethBlock) {
		t.Helper()
		actortest.Eventually(t, "the node serves "+what, func() bool {
			info := ethOf(t, follower)
			return info.Range.Latest == uint64(b.Number) && info.Range.LatestHash == b.Hash
		})
	}
	serves("the head of geth", first)
	last := first
	for _, p := range payloadsAfter(t, uint64(first.Number)) {
		t.Logf("%s: %v", p.Method, call[any](t, geth, p.Method, p.Params...))
	}
	tellHead(t, geth)
	actortest.Eventually(t, "geth has a new head", func() bool { last = headOf(t, geth); return last.Number == 600 })
	serves("the new head", last)
	info := ethOf(t, follower)
	if n := info.Node; n == nil || n.Health != execution.Working || n.URL != socket || n.Number != 600 {
		t.Errorf("state of the execution node: %+v", n)
	}
	t.Logf("serves %+v; execution node %+v", info.Range, *info.Node)
	if got := ethOf(t, other); got.Range.Latest != 0 {
		t.Errorf("the node without --eth.rpc has a head: %+v", got.Range)
	}

	// A transaction of geth's pool may go on, because geth says what its sender has. Beside it, it is held.
	n, err := chain.ReadGenesis(ethtest.Chain(t, "genesis.json"))
	if err != nil {
		t.Fatal(err)
	}
	raw, err := newSpender(t, n, geth).next().MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	call[common.Hash](t, geth, "eth_sendRawTransaction", hexutil.Bytes(raw))
	for api, held := range map[*rpc.Client]int{follower: 0, other: 1} {
		var info eth.NodeInfo
		actortest.Eventually(t, "the transaction comes", func() bool { info = ethOf(t, api); return info.Pool.Transactions == 1 })
		if info.Pool.Held != held {
			t.Errorf("the pool has %+v, want %d held", info.Pool, held)
		}
		if r := info.Node; r != nil {
			if t.Logf("%+v", *r); r.AccountCalls == 0 || r.AccountFailures != 0 {
				t.Errorf("%d calls for accounts, %d failed: %s", r.AccountCalls, r.AccountFailures, r.AccountFailure)
			}
		}
	}
}

// startBeside runs the node's program until the test ends, with geth as its peer, and returns a client
// of its admin API.
func startBeside(t testing.TB, geth *rpc.Client, args ...string) *rpc.Client {
	t.Helper()
	dir := t.TempDir()
	url, _ := startProcess(t, append([]string{
		"--datadir", dir, "--nat", "none", "--nodiscover", "--protocols", "eth", "--eth.genesis", ethtest.Chain(t, "genesis.json"),
	}, args...)...)
	api, err := rpc.DialContext(t.Context(), filepath.Join(dir, "node.ipc"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(api.Close)
	if !call[bool](t, geth, "admin_addPeer", url) {
		t.Fatal("geth does not add the peer")
	}
	return api
}

// ethOf returns what a node shows of eth.
func ethOf(t testing.TB, api *rpc.Client) eth.NodeInfo {
	t.Helper()
	return call[struct{ Protocols struct{ Eth eth.NodeInfo } }](t, api, "admin_nodeInfo").Protocols.Eth
}

// gethBlock says which block it is.
type gethBlock struct {
	Number hexutil.Uint64
	Hash   common.Hash
}

func headOf(t testing.TB, geth *rpc.Client) gethBlock {
	t.Helper()
	return call[gethBlock](t, geth, "eth_getBlockByNumber", "latest", false)
}

// engineCall is a call of geth's engine API.
type engineCall struct {
	Method string
	Params []any
}

// payloadsAfter returns the calls by which a consensus client gives geth the blocks after one.
func payloadsAfter(t testing.TB, number uint64) []engineCall {
	t.Helper()
	text, err := os.ReadFile(ethtest.Chain(t, "newpayload.json"))
	if err != nil {
		t.Fatal(err)
	}
	var calls []engineCall
	if err := json.Unmarshal(text, &calls); err != nil {
		t.Fatal(err)
	}
	return calls[number+1:]
}

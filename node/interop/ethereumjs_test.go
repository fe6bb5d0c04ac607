//go:build conformance

package interop_test

import (
	"bytes"
	"context"
	"encoding/json"
	"math/big"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/forkid"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/troupe-p2p/troupe/actors/actortest"
	"github.com/troupe-p2p/troupe/protocols/eth/chain"
	"github.com/troupe-p2p/troupe/protocols/eth/ethtest"
	"github.com/troupe-p2p/troupe/protocols/eth/ethtest/testchain"
)

// received is what testdata/ethereumjs/client.js has got of a node.
type received struct {
	Status struct {
		ChainID, TD, Head, Genesis, Fork hexutil.Bytes
	}
	Headers  []hexutil.Bytes
	Receipts map[string]hexutil.Bytes
}

// TestConformanceEthereumJS: EthereumJS's devp2p, which ends at eth/68, gets status, headers and receipts
// from our node.
func TestConformanceEthereumJS(t *testing.T) {
	url, _ := startWithChain(t)
	self := enode.MustParse(url)
	network, err := chain.ReadGenesis(ethtest.Chain(t, "genesis.json"))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), actortest.Patience)
	defer cancel()
	client := exec.CommandContext(ctx, "node", "client.js", self.IP().String(), strconv.Itoa(self.TCP()),
		common.Bytes2Hex(crypto.FromECDSAPub(self.Pubkey())[1:]), ethtest.Chain(t, "genesis.json"), network.Genesis.Hash().Hex())
	client.Dir = "testdata/ethereumjs"
	var errors strings.Builder
	client.Stderr = &errors
	out, err := client.Output()
	if err != nil {
		t.Fatalf("node client.js: %v (after 'npm ci' in %s?)\n%s", err, client.Dir, errors.String())
	}
	var got received
	if err := json.Unmarshal(out, &got); err != nil {
		t.Fatal(err)
	}
	compareReceived(t, got, network)
}

func compareReceived(t *testing.T, got received, network *chain.Network) {
	t.Helper()
	blocks := testchain.Blocks(t)
	head := crypto.Keccak256(blocks[600].Header)
	fork := forkid.NewID(network.Config, network.Genesis, 600, 1<<40).Hash
	if s := got.Status; new(big.Int).SetBytes(s.ChainID).Uint64() != network.ID || new(big.Int).SetBytes(s.TD).Cmp(network.Config.TerminalTotalDifficulty) != 0 ||
		!bytes.Equal(s.Head, head) || common.BytesToHash(s.Genesis) != network.Genesis.Hash() || !bytes.Equal(s.Fork, fork[:]) {
		t.Errorf("status %+v", s)
	}
	if len(got.Headers) != len(blocks) {
		t.Fatalf("%d headers, want %d", len(got.Headers), len(blocks))
	}
	for n, h := range got.Headers {
		if !bytes.Equal(h, blocks[n].Header) {
			t.Errorf("header %d differs", n)
		}
	}
	if len(got.Receipts) != 5 {
		t.Errorf("receipts of %d blocks", len(got.Receipts))
	}
	for number, r := range got.Receipts {
		n, err := strconv.Atoi(number)
		if err != nil {
			t.Fatal(err)
		}
		want, err := chain.ConsensusReceipts(blocks[n].Receipts)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(r, want) {
			t.Errorf("receipts of block %d: %d bytes, want %d", n, len(r), len(want))
		}
	}
}

package main

import (
	"strings"
	"testing"

	"github.com/troupe-p2p/troupe/protocols/eth/ethtest"
)

// TestEthGet asks a running node for parts of the test chain.
func TestEthGet(t *testing.T) {
	genesis := ethtest.Chain(t, "genesis.json")
	dir := t.TempDir()
	p := start(t, "--datadir", dir, "--protocols", "eth", "--eth.genesis", genesis, "--eth.history", ethtest.Chain(t, "chain.rlp")+","+testChain)
	awaitOutput(t, dir, `"latest": *600`, "admin", "nodeInfo")
	const head = "0x9d78f73579811aa17b112188ce020cda4362b0d57a4a339a0c3911c4ace7220c"
	for _, tt := range []struct {
		args string
		code int
		says string
	}{
		{"header 600", exitOK, head},
		{"header " + head, exitOK, `"number": "0x258"`},
		{"block 7", exitOK, `"transactions": [`},
		{"receipts 14", exitOK, `"cumulativeGasUsed": "0x18d79d"`},
		{"bal 599", exitOK, `"0xf90180e194`},
		{"header 601", exitFailed, "the peer does not have it"},
		{"tx " + head, exitFailed, "the peer does not have it"},
		{"block 0x12", exitUsage, "no hash"},
		{"block seven", exitUsage, "neither a number nor a hash"},
		{"header", exitUsage, "takes 1 arguments"},
	} {
		args := append([]string{"--eth.genesis", genesis, "eth", "get"}, strings.Fields(tt.args)...)
		code, out, errs := shell(nil, append(args, "--peer", p.enode)...)
		if code != tt.code || !strings.Contains(out+errs, tt.says) {
			t.Errorf("eth get %s: exit %d, want %d and %q; %.300s %s", tt.args, code, tt.code, tt.says, out, errs)
		}
	}
	if code, _, errs := shell(nil, "--network", "sepolia", "eth", "get", "header", "1", "--peer", p.enode); code != exitRefused && code != exitFailed || !strings.Contains(errs, "useless peer") {
		t.Errorf("a peer of another network: exit %d, %s", code, errs)
	}
}

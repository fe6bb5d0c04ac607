package main

import (
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/troupe-p2p/troupe/protocols/eth/ethtest"
)

// TestChainOfEth: eth is offered for the network's chain or for that of a genesis file, and only
// where there is one.
func TestChainOfEth(t *testing.T) {
	genesis := ethtest.Chain(t, "genesis.json")
	for _, tt := range []struct {
		args  string
		lists string // a pattern in the list of protocols
	}{
		{"", `(?s)eth/72,71,70,69,68 +yes.*chat/1 +yes`},
		{"--network hoodi --eth.versions 70,69", `eth/70,69 +yes`},
		{"--eth.genesis " + genesis, `eth/72,71,70,69,68 +yes`},
		{"--network none --eth.genesis " + genesis + " --protocols eth", `eth/72,71,70,69,68 +yes`},
		{"--network none", `^PROTOCOL +OFFERED +LINKS\nchat/1 +yes +0\nbench/1 +no +0\nshh/6 +no +0\n$`},
	} {
		dir := t.TempDir()
		start(t, append(strings.Fields(tt.args), "--datadir", dir)...)
		if list := at(t, dir, "protocol", "list"); !regexp.MustCompile(tt.lists).MatchString(list) {
			t.Errorf("node run %s: want %s in\n%s", tt.args, tt.lists, list)
		}
	}
	for args, want := range map[string]string{
		"--network none --protocols eth,chat":            "--protocols: protocol eth: network \"none\" has no known chain",
		"--network sepolia --eth.genesis " + genesis:     "--eth.genesis and --network exclude each other",
		"--nodiscover --network mainet":                  "unknown network \"mainet\"",
		"--eth.versions 67":                              "--eth.versions \"67\": version 67",
		"--protocols eth --eth.genesis /no/such/genesis": "/no/such/genesis",
		"--protocols eth --eth.fill":                     "--eth.fill needs a directory in --eth.history",
		"--protocols eth --eth.fill=perhaps":             "--eth.fill \"perhaps\": ",
		"--network none --eth.fill":                      "--eth.fill: protocol eth cannot run",
		"--protocols eth --eth.fill --eth.genesis " + genesis + " --eth.history " + ethtest.Chain(t, "chain.rlp"): "--eth.fill needs a directory in --eth.history",
	} {
		if code, _, errs := shell(nil, append([]string{"run", "--port", "0", "--datadir", t.TempDir()}, strings.Fields(args)...)...); code == exitOK || !strings.Contains(errs, want) {
			t.Errorf("node run %s: exit %d, %q; want %q", args, code, errs, want)
		}
	}
}

// TestRPCIsSecret: what --eth.rpc is set to is in no output: not in an error, not in the log, not in what the
// node shows of itself. A URL is not expanded like a path.
func TestRPCIsSecret(t *testing.T) {
	for _, url := range []string{"ftp://user:hidden@host/hidden", "http://hidden:hidden", "stdio://hidden"} {
		code, out, errs := shell(nil, "run", "--datadir", t.TempDir(), "--eth.rpc", url)
		if code != exitUsage || strings.Contains(out+errs, "hidden") || !strings.Contains(errs, "--eth.rpc: ") {
			t.Errorf("%s: exit %d, %q", url, code, errs)
		}
	}
	dir := t.TempDir()
	p := start(t, "--datadir", dir, "--protocols", "eth", "--verbosity", "5", "--eth.rpc", "http://user:hid$HOMEden@127.0.0.1:1/~/hidden")
	p.awaitLog("does not answer")
	info := at(t, dir, "admin", "nodeInfo")
	if !strings.Contains(info, `"url": "http://127.0.0.1:1"`) {
		t.Errorf("nodeInfo: %s", info)
	}
	p.end(syscall.SIGTERM)
	if all := info + p.log(); strings.Contains(all, "hid") {
		t.Errorf("output: %s", all)
	}
}

package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/troupe-p2p/troupe/actors/actortest"
	"github.com/troupe-p2p/troupe/protocols/eth/ethtest"
	"github.com/troupe-p2p/troupe/protocols/eth/history"
)

// serveTestChain runs a node that serves the test chain. It returns its URL and the genesis file.
func serveTestChain(t *testing.T, args ...string) (url, genesis string) {
	t.Helper()
	genesis = ethtest.Chain(t, "genesis.json")
	dir := t.TempDir()
	p := start(t, append([]string{"--datadir", dir, "--protocols", "eth", "--eth.genesis", genesis, "--eth.history", ethtest.Chain(t, "chain.rlp") + "," + testChain}, args...)...)
	awaitOutput(t, dir, `"latest": *600`, "admin", "nodeInfo")
	return p.enode, genesis
}

// isTestChain fails unless a directory has the test chain as go-ethereum exports it.
func isTestChain(t *testing.T, dir string) {
	t.Helper()
	want, err := os.ReadFile(testChain)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(filepath.Join(dir, filepath.Base(testChain))); err != nil || !bytes.Equal(got, want) {
		t.Errorf("the file has %d bytes, want those of %s (%v)", len(got), testChain, err)
	}
}

// TestEthSync downloads the test chain from a running node, in one and in two steps.
func TestEthSync(t *testing.T) {
	url, genesis := serveTestChain(t)
	whole, steps := filepath.Join(t.TempDir(), "new"), t.TempDir()
	const head = "0x9d78f73579811aa17b112188ce020cda4362b0d57a4a339a0c3911c4ace7220c"
	const nobody = "enode://ca634cae0d49acb401d8a4c6b6fe8c55b70d115bf400769cc1400f3258cd31387574077f301b421bc84df7266c44e9e6d569fc56be00812904767bf5ccd1fc7f@127.0.0.1:1"
	for _, tt := range []struct {
		args string
		code int
		says []string
	}{
		{"--peers " + url + " " + whole, exitOK, []string{"head: block 600, " + head, "blocks 0 to 600 are in " + whole + "; files written: 1", "written: unknown-00000-9d78f735-noproofs.ere", "600 headers, 600 bodies, 555 receipts"}},
		{"--peers " + url + " " + whole, exitOK, []string{"files written: 0", " 0 headers, 0 bodies"}},
		{"--headers --to " + head + " --peers " + url + " " + steps, exitOK, []string{"the headers of blocks 0 to 600 are in " + filepath.Join(steps, history.JournalDir), "600 headers; 1 peers"}},
		{"--to " + head + " --peers " + url + " " + steps, exitOK, []string{"files written: 1", " 0 headers, 600 bodies"}},
		{"--from 9000 --to " + head + " --peers " + url + " " + t.TempDir(), exitFailed, []string{"block 600, the target, is before block 9000"}},
		{"--peers " + url, exitUsage, []string{"takes 1 arguments"}},
		{whole, exitUsage, []string{"--peers: want at least one node"}},
		{"--peers enode://7 " + whole, exitUsage, []string{"--peers: "}},
		{"--to 0x12 --peers " + url + " " + whole, exitUsage, []string{`--to: "0x12" is no hash`}},
		{"--to " + head + " --peers " + nobody + "," + url + " " + whole, exitOK, []string{"files written: 0"}},
	} {
		code, out, errs := shell(nil, append([]string{"--eth.genesis", genesis, "eth", "sync"}, strings.Fields(tt.args)...)...)
		for _, says := range tt.says {
			if code != tt.code || !strings.Contains(out+errs, says) {
				t.Errorf("eth sync %s: exit %d, want %d and %q;\n%s%s", tt.args, code, tt.code, says, out, errs)
			}
		}
	}
	isTestChain(t, whole)
	isTestChain(t, steps)
}

// TestEthSyncOtherNetwork: why there is no link is part of the error.
func TestEthSyncOtherNetwork(t *testing.T) {
	url, _ := serveTestChain(t)
	was := peersTimeout
	peersTimeout = was / 10
	defer func() { peersTimeout = was }()
	code, _, errs := shell(nil, "--network", "sepolia", "eth", "sync", "--peers", url, t.TempDir())
	if code != exitFailed || !strings.Contains(errs, "no peer within") || !strings.Contains(errs, "another network") && !strings.Contains(errs, "useless peer") {
		t.Errorf("exit %d: %s", code, errs)
	}
}

// TestEthSyncIsKilled: a download that is killed, or interrupted, goes on from where it was.
func TestEthSyncIsKilled(t *testing.T) {
	url, genesis := serveTestChain(t, "--eth.upload", "4000000") // the chain has 11 MB of receipts
	dir := t.TempDir()
	journal := filepath.Join(dir, history.JournalDir, "00000.journal")
	for i, signal := range []os.Signal{os.Kill, syscall.SIGINT} {
		var out bytes.Buffer
		cmd := exec.Command(os.Args[0], "--eth.genesis", genesis, "eth", "sync", "--peers", url, dir)
		cmd.Env, cmd.Stderr = append(os.Environ(), "TROUPE_TEST_NODE=1"), &out
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		least := int64(50_000 + 300_000*i)
		there := actortest.Poll(func() bool { info, err := os.Stat(journal); return err == nil && info.Size() > least })
		_ = cmd.Process.Signal(signal)
		_ = cmd.Wait() // ProcessState has the exit code
		if !there || cmd.ProcessState.Success() {
			t.Fatalf("%v: %v; the output:\n%s", signal, cmd.ProcessState, &out)
		}
		if signal == syscall.SIGINT && (cmd.ProcessState.ExitCode() != exitFailed || !strings.Contains(out.String(), "kept: all headers up to block 600 and what came") || !strings.Contains(out.String(), "interrupted by a signal")) {
			t.Errorf("exit %d, %s", cmd.ProcessState.ExitCode(), &out)
		}
	}
	code, out, errs := shell(nil, "--eth.genesis", genesis, "eth", "sync", "--peers", url, dir)
	if code != exitOK || !strings.Contains(errs, " 0 headers, ") || strings.Contains(errs, " 600 bodies") {
		t.Errorf("exit %d, %s%s", code, out, errs)
	}
	isTestChain(t, dir)
}

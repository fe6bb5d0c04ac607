//go:build conformance

package interop_test

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/core/rawdb/eradb"

	"github.com/troupe-p2p/troupe/actors/actortest"
	"github.com/troupe-p2p/troupe/protocols/eth/chain"
	"github.com/troupe-p2p/troupe/protocols/eth/ethtest"
	"github.com/troupe-p2p/troupe/protocols/eth/history"
)

// buildTool builds a command of go-ethereum in its own module, because ours does not need all that it
// needs.
func buildTool(t *testing.T, pkg string) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), filepath.Base(pkg))
	dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/ethereum/go-ethereum").Output()
	if err != nil {
		t.Fatal(err)
	}
	build := exec.Command("go", "build", "-o", path, "./"+pkg)
	build.Dir = strings.TrimSpace(string(dir))
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build %s: %v\n%s", pkg, err, out)
	}
	return path
}

// TestConformanceGethIsDownloaded: node eth sync takes the test chain from a geth, and go-ethereum's
// library and command for such files read what it has written.
func TestConformanceGethIsDownloaded(t *testing.T) {
	geth, _ := runGeth(t, ethtest.Chain(t, "chain.rlp"))
	info := call[struct{ Enode string }](t, geth, "admin_nodeInfo")
	binary, dir := filepath.Join(t.TempDir(), "node"), t.TempDir()
	if out, err := exec.Command("go", "build", "-o", binary, "github.com/troupe-p2p/troupe/cmd/node").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	ctx, cancel := context.WithTimeout(t.Context(), actortest.Patience)
	defer cancel()
	out, err := exec.CommandContext(ctx, binary, "--eth.genesis", ethtest.Chain(t, "genesis.json"), "eth", "sync", "--peers", info.Enode, dir).CombinedOutput()
	t.Logf("node eth sync:\n%s", out)
	if err != nil || !strings.Contains(string(out), "head: block 600, 0x9d78f735") {
		t.Fatalf("node eth sync: %v", err)
	}
	const name = "unknown-00000-9d78f735-noproofs.ere"
	exported := filepath.Join("..", "..", "protocols", "eth", "history", "testdata", name)
	sameFile(t, filepath.Join(dir, name), exported)
	readByLibrary(t, dir, exported)

	era := buildTool(t, "cmd/era")
	for _, args := range [][]string{{"info", "0"}, {"block", "600"}, {"block", "14"}} {
		out, err := exec.CommandContext(ctx, era, append([]string{"--network", "unknown", "--dir", dir}, args...)...).CombinedOutput()
		if err != nil || args[0] == "block" && !strings.Contains(string(out), `"receiptsRoot"`) {
			t.Errorf("era %v: %v\n%.600s", args, err, out)
		}
	}
}

func sameFile(t *testing.T, got, want string) {
	t.Helper()
	a, err := os.ReadFile(got)
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(want)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(a, b) {
		t.Errorf("%s has %d bytes, want those of %s", got, len(a), want)
	}
}

// readByLibrary compares what go-ethereum reads of a directory with the blocks of a file.
func readByLibrary(t *testing.T, dir, file string) {
	t.Helper()
	f, err := history.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	db, err := eradb.New(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for n := range uint64(601) {
		want, err := f.Read(chain.Body, n)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := db.GetRawBody(n); err != nil || !bytes.Equal(got, want) {
			t.Fatalf("body of block %d: %d bytes, %v; want %d", n, len(got), err, len(want))
		}
		if got, err := db.GetRawReceipts(n); err != nil || len(got) == 0 {
			t.Fatalf("receipts of block %d: %d bytes, %v", n, len(got), err)
		}
	}
}

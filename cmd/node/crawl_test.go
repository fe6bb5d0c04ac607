package main

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/troupe-p2p/troupe/actors/actortest"
	"github.com/troupe-p2p/troupe/node/crawl"
)

// program runs a command line in its own process and waits until it ends.
func program(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), actortest.Patience)
	defer cancel()
	var out, errs bytes.Buffer
	cmd := exec.CommandContext(ctx, os.Args[0], args...)
	cmd.Env, cmd.Stdout, cmd.Stderr = append(os.Environ(), "TROUPE_TEST_NODE=1"), &out, &errs
	if err := cmd.Run(); cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), out.String(), errs.String()
}

// TestCrawlCommand: a crawl that starts from one node finds it and ends after --quiet. A crawl
// without a node to start from fails.
func TestCrawlCommand(t *testing.T) {
	p := start(t, "--nodiscover=false", "--network", "none")
	db := filepath.Join(t.TempDir(), "crawl.db")
	code, out, log := program(t, "crawl", "--network", "none", "--addr", "127.0.0.1", "--db", db, "--duration", "30s", "--quiet", "1s", "--bootnodes", p.enode)
	if code != 0 || !strings.Contains(out, "1 visited, 1 alive") || !strings.Contains(out, "Troupe") {
		t.Errorf("exit code %d, out\n%s\nlog\n%s", code, out, log)
	}
	if code, _, log := shell(nil, "crawl", "--network", "none", "--db", filepath.Join(t.TempDir(), "empty.db")); code != exitFailed || !strings.Contains(log, "no node to start with") {
		t.Errorf("exit code %d, log %q", code, log)
	}
}

func TestCrawlUsage(t *testing.T) {
	for _, args := range [][]string{
		{"--nodiscover"}, {"--parallel", "0"}, {"--quiet", "0s"}, {"--bootnodes", "nonsense"}, {"argument"}, {"--network", "nowhere"},
	} {
		args = append([]string{"crawl", "--db", filepath.Join(t.TempDir(), "crawl.db")}, args...)
		if code, _, log := shell(nil, args...); code != exitUsage {
			t.Errorf("%q: exit code %d, %s", args, code, log)
		}
	}
}

func TestPrintProgress(t *testing.T) {
	for _, tt := range []struct {
		p    crawl.Progress
		want string
	}{
		{crawl.Progress{Known: 9, Visited: 5, Alive: 3, UnderWay: 2, Due: 2}, "1m5s: 9 nodes known, 5 visited, 3 alive, 2 under way, 2 to go\n"},
		{crawl.Progress{Left: 7, Quiet: 90 * time.Second}, "1m5s: 0 nodes known, 0 visited, 0 alive, 0 under way, 0 to go, 7 left out, nothing new for 1m30s\n"},
	} {
		var b bytes.Buffer
		if printProgress(&b, 65*time.Second, tt.p); b.String() != tt.want {
			t.Errorf("got %q, want %q", &b, tt.want)
		}
	}
}

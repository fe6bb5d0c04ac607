package main

import (
	"bufio"
	"context"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/troupe-p2p/troupe/actors/actortest"
)

// TestDevnetCommand: the network starts, prints its state, and Ctrl-C ends it with exit code 0.
func TestDevnetCommand(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), actortest.Patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0], "devnet", "--nodes", "5", "--chaos")
	cmd.Env = append(os.Environ(), "TROUPE_TEST_NODE=1")
	var log strings.Builder
	cmd.Stderr = &log
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	seen := false
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if line := lines.Text(); !seen && strings.Contains(line, "5 of 5 nodes up") && strings.Contains(line, ", connected") {
			seen = true
			if err := cmd.Process.Signal(os.Interrupt); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := cmd.Wait(); err != nil || !seen {
		t.Errorf("seen: %v, end: %v, log: %s", seen, err, &log)
	}
}

// TestDevnetDuration: --duration is the time of the whole run, also for a network whose nodes are not
// all up by then.
func TestDevnetDuration(t *testing.T) {
	const d = 2 * time.Second
	ctx, cancel := context.WithTimeout(t.Context(), actortest.Patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0], "devnet", "--nodes", "70", "--duration", d.String())
	cmd.Env = append(os.Environ(), "TROUPE_TEST_NODE=1")
	begin := time.Now()
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
	if took := time.Since(begin); took < d/2 || took > 3*d {
		t.Errorf("the run took %v, want %v, or some more on a slow machine", took, d)
	}
}

func TestDevnetUsage(t *testing.T) {
	for _, args := range [][]string{{"--nodes", "0"}, {"--nodes", "many"}, {"argument"}} {
		if code, _, log := shell(nil, append([]string{"devnet"}, args...)...); code != exitUsage {
			t.Errorf("%q: exit code %d, %s", args, code, log)
		}
	}
	if code, out, log := shell(nil, "help", "devnet"); code != exitOK || !strings.Contains(out, "--nodes NUMBER") {
		t.Errorf("exit code %d, out %q, log %q", code, out, log)
	}
}

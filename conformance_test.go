//go:build conformance

package troupe_test

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// startBinary builds and runs the node, and gives its enode URL.
func startBinary(t *testing.T, args ...string) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "node")
	if out, err := exec.Command("go", "build", "-o", binary, "./cmd/node").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	cmd := exec.Command(binary, append([]string{"--datadir", t.TempDir(), "--port", "0", "--addr", "127.0.0.1"}, args...)...)
	cmd.Stderr = os.Stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Error(err)
		}
		if err := cmd.Wait(); err != nil {
			t.Errorf("after SIGTERM: %v", err)
		}
	})
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	url, ok := strings.CutPrefix(strings.TrimSpace(line), "READY ")
	if !ok {
		t.Fatalf("first line: %q", line)
	}
	return url
}

// go-ethereum's own tool gets our Hello.
func TestConformanceRLPxPing(t *testing.T) {
	url := startBinary(t, "--protocols", "bench,chat")
	out, err := exec.Command("devp2p", "rlpx", "ping", url).CombinedOutput()
	if err != nil {
		t.Fatalf("devp2p: %v\n%s", err, out)
	}
	for _, want := range []string{"Name:Troupe/", "bench/1", "chat/1", "Version:5"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("devp2p printed %q, without %s", out, want)
		}
	}
	t.Logf("%s", out)
}

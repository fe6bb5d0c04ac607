//go:build conformance

package interop_test

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/troupe-p2p/troupe/node"
)

// startBinary builds the node's program and runs it until the test ends. It returns the node's
// enode URL.
func startBinary(t testing.TB, args ...string) string {
	t.Helper()
	url, _ := startProcess(t, args...)
	return url
}

// startProcess is startBinary, and returns the ID of the process as well.
func startProcess(t testing.TB, args ...string) (url string, pid int) {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "node")
	if out, err := exec.Command("go", "build", "-o", binary, "github.com/troupe-p2p/troupe/cmd/node").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	cmd := exec.Command(binary, append([]string{"--datadir", t.TempDir(), "--port", "0", "--addr", "127.0.0.1", "--network", "none"}, args...)...)
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
		t.Fatalf("first line %q, want READY and the URL", line)
	}
	return url, cmd.Process.Pid
}

// TestConformanceRLPxPing: go-ethereum's devp2p receives our Hello.
func TestConformanceRLPxPing(t *testing.T) {
	url := startBinary(t, "--protocols", "bench,chat")
	out, err := exec.Command("devp2p", "rlpx", "ping", url).CombinedOutput()
	if err != nil {
		t.Fatalf("devp2p: %v\n%s", err, out)
	}
	for _, want := range []string{"Name:Troupe/", "bench/1", "chat/1", "Version:5"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("the output of devp2p has no %s: %q", want, out)
		}
	}
	t.Logf("%s", out)
}

// discoverySuite is one of go-ethereum's test suites for discovery, which send from 127.0.0.1 and
// 127.0.0.2. passed is the end of its output.
type discoverySuite struct{ name, passed string }

var discoverySuites = []discoverySuite{{"discv4", "15/15 tests passed"}, {"discv5", "10/10 tests passed"}}

// run runs the suite against the node's program with these arguments. It calls meanwhile, which
// may be nil, with the node's URL before that.
func (s discoverySuite) run(t *testing.T, meanwhile func(url string), args ...string) {
	t.Helper()
	dir := t.TempDir()
	url := startBinary(t, append([]string{"--datadir", dir}, args...)...)
	test := []string{s.name, "test", "--listen1", "127.0.0.1", "--listen2", "127.0.0.2"}
	if s.name == "discv4" {
		test = append(test, "--remote", url)
	} else {
		record, err := node.ReadRecord(dir)
		if err != nil {
			t.Fatal(err)
		}
		test = append(test, record.String())
	}
	if meanwhile != nil {
		meanwhile(url)
	}
	out, err := exec.Command("devp2p", test...).CombinedOutput()
	t.Logf("%s", out)
	if err != nil || !strings.Contains(string(out), s.passed) {
		t.Errorf("devp2p %s test: %v; want %s", s.name, err, s.passed)
	}
}

// TestConformanceDiscovery: our node passes go-ethereum's suites.
func TestConformanceDiscovery(t *testing.T) {
	for _, suite := range discoverySuites {
		t.Run(suite.name, func(t *testing.T) { suite.run(t, nil) })
	}
}

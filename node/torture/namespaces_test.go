//go:build natlab && linux

package torture_test

import (
	"bufio"
	"bytes"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/troupe-p2p/troupe/actors/actortest"
)

// Addresses to which the node's limits apply: neither loopback nor private. The attackers have one
// network, and the honest nodes four.
const (
	victimAddr = "192.0.2.1"
	attackers  = "203.0.113."
	honest     = "198.18."
)

// TestNamespaces attacks a node from a network namespace with addresses to which the node's limits
// apply. Network namespaces need root.
func TestNamespaces(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Fatal("network namespaces need root")
	}
	binary := filepath.Join(t.TempDir(), "node")
	if out, err := exec.Command("go", "build", "-o", binary, "github.com/troupe-p2p/troupe/cmd/node").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	from, honestFrom := hosts()
	victimNS, attackerNS := namespaces(t, append(from, honestFrom...))
	dir, url := startVictim(t, victimNS, binary, "30303")
	besideDir, beside := startVictim(t, victimNS, binary, "30304")
	cmd := exec.Command("ip", "netns", "exec", attackerNS, binary, "torture", "--target.datadir", dir, "--beside", beside, "--beside.datadir", besideDir,
		"--duration", "3s", "--settle", "1s", "--attack", "half-open,handshakes,pings,v4,v5",
		"--from", strings.Join(from, ","), "--honest.from", strings.Join(honestFrom, ","), url)
	var report, log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &report, &log
	err := cmd.Run()
	t.Logf("%v\n%s", err, report.Bytes())
	if err != nil {
		t.Fatalf("%v\n%s", err, log.Bytes())
	}
	// The addresses and the network of the attackers were limited, the honest nodes were not.
	if !strings.Contains(report.String(), "too many attempts from this address or network") {
		t.Error("the limits for one address and one network did not apply")
	}
}

// hosts returns 20 addresses of the attackers, and 20 of honest nodes.
func hosts() (from, honestFrom []string) {
	for i := range 20 {
		from = append(from, fmt.Sprint(attackers, i+1))
		honestFrom = append(honestFrom, fmt.Sprintf("%s%d.%d", honest, i/5, i%5+1))
	}
	return from, honestFrom
}

// namespaces makes two connected network namespaces until the test ends. The first one has
// victimAddr, the second one the other addresses.
func namespaces(t *testing.T, addrs []string) (victim, attacker string) {
	victim, attacker = fmt.Sprintf("tt%dv", os.Getpid()), fmt.Sprintf("tt%da", os.Getpid())
	t.Cleanup(func() {
		for _, ns := range []string{victim, attacker} {
			_ = exec.Command("ip", "netns", "del", ns).Run() // it may not exist
		}
	})
	var script strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&script, format+"\n", args...) }
	line("set -e; ip netns add %s; ip netns add %s", victim, attacker)
	line("ip link add vethv netns %s type veth peer name vetha netns %s", victim, attacker)
	for ns, end := range map[string]string{victim: "vethv", attacker: "vetha"} {
		line("ip -n %s link set lo up; ip -n %s link set %s up", ns, ns, end)
		line("ip -n %s route add default dev %s", ns, end)
	}
	line("ip -n %s addr add %s/32 dev vethv", victim, victimAddr)
	for _, a := range addrs {
		line("ip -n %s addr add %s/32 dev vetha", attacker, netip.MustParseAddr(a))
	}
	if out, err := exec.Command("sh", "-c", script.String()).CombinedOutput(); err != nil {
		t.Fatalf("make the namespaces: %v\n%s", err, out)
	}
	return victim, attacker
}

// startVictim starts a node in a namespace until the test ends, and returns its data directory and
// its URL.
func startVictim(t *testing.T, ns, binary, port string) (dir, url string) {
	dir, err := os.MkdirTemp("", "t") // a socket's path must be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	cmd := exec.Command("ip", "netns", "exec", ns, binary, "--datadir", dir, "--addr", victimAddr, "--port", port,
		"--nat", "none", "--network", "none", "--protocols", "bench", "--verbosity", "1")
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		if err := cmd.Wait(); err != nil {
			t.Errorf("the node: %v", err)
		}
	})
	ready := make(chan string, 1)
	go func() {
		defer close(ready)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			if url, ok := strings.CutPrefix(lines.Text(), "READY "); ok {
				ready <- url
			}
		}
	}()
	select {
	case url, ok := <-ready:
		if !ok {
			t.Fatal("the node did not start")
		}
		return dir, url
	case <-time.After(actortest.Patience):
		t.Fatal("the node does not say READY")
	}
	panic("unreachable")
}

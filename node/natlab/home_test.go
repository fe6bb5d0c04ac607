//go:build natlab

package natlab_test

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/troupe-p2p/troupe/nat"
	"github.com/troupe-p2p/troupe/node"
)

const (
	natPort = 30303
	// recovery is how long the node may take to be reachable again after the router is back;
	// unannounced is the same where no announcement says that mappings are missing.
	recovery    = 15 * time.Second
	unannounced = 3 * time.Minute
	// firstTime is how long the first mapping may take on a loaded machine. The table that the
	// tests print has the real figures.
	firstTime = 15 * time.Second
	// leaveTime is how long the node may take to delete its mappings when it stops.
	leaveTime = 3 * time.Second
)

// home is a lab with a node on a1.
type home struct {
	*lab
	t      testing.TB
	kind   string // of router
	binary string
	times  *timesTaken
	dir    string // the node's data directory
	logs   string // the node's log
	wan    netip.Addr

	cmd   *exec.Cmd
	began time.Time
	ready time.Duration // from the start until it listened
}

// run starts the node. All nodes of a home use the same data directory.
func (h *home) run(args ...string) {
	h.t.Helper()
	log, err := os.OpenFile(h.logs, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		h.t.Fatal(err)
	}
	defer log.Close()
	h.cmd = exec.Command("ip", append([]string{
		"netns", "exec", h.host("a1"), h.binary, "run", "--nodiscover", "--datadir", h.dir, "--port", fmt.Sprint(natPort),
		"--protocols", "bench", "--log.format", "json", "--verbosity", "4",
	}, args...)...)
	h.cmd.Stderr = log
	out, err := h.cmd.StdoutPipe()
	if err != nil {
		h.t.Fatal(err)
	}
	h.began = time.Now()
	if err := h.cmd.Start(); err != nil {
		h.t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	h.ready = time.Since(h.began)
	if err != nil || !strings.HasPrefix(line, "READY ") {
		h.t.Fatalf("first line %q, %v; want READY\n%s", line, err, h.tail())
	}
}

// end sends a signal and waits until the process has ended.
func (h *home) end(s syscall.Signal) {
	h.t.Helper()
	if err := h.cmd.Process.Signal(s); err != nil {
		h.t.Fatal(err)
	}
	if err := h.cmd.Wait(); err != nil && s != syscall.SIGKILL {
		h.t.Errorf("after %v: %v\n%s", s, err, h.tail())
	}
	h.cmd = nil
}

// fault runs one of natlab's faults on the router.
func (h *home) fault(args ...string) {
	h.t.Helper()
	if _, err := h.command(append([]string{"fault"}, args...)...); err != nil {
		h.t.Fatal(err)
	}
	h.askWAN()
}

// askWAN asks the lab for the home's address on the Internet.
func (h *home) askWAN() {
	h.t.Helper()
	text, err := h.command("wanip", "A")
	if err == nil {
		h.wan, err = netip.ParseAddr(text)
	}
	if err != nil {
		h.t.Fatal(err)
	}
}

// mappings returns the router's rules.
func (h *home) mappings() string {
	h.t.Helper()
	all, err := h.command("mappings", "A")
	if err != nil {
		h.t.Fatal(err)
	}
	return all
}

// record returns the node's record.
func (h *home) record() *enode.Node {
	h.t.Helper()
	n, err := node.ReadRecord(h.dir)
	if err != nil {
		h.t.Fatal(err)
	}
	return n
}

// reach tries once to reach the node from the Internet, at the endpoint in its record.
func (h *home) reach() error {
	rec, err := node.ReadRecord(h.dir)
	if err != nil {
		return err
	}
	if rec.IPAddr() != h.wan {
		return fmt.Errorf("the record says %v, the router is at %v", rec.IPAddr(), h.wan)
	}
	to, ok := rec.TCPEndpoint()
	if !ok {
		return errors.New("the record has no TCP port")
	}
	if err := h.dialTCP("pub", to); err != nil {
		return err
	}
	s, err := node.ReadNATStatus(h.dir)
	if err != nil {
		return err
	}
	return h.askUDP("pub", netip.AddrPortFrom(h.wan, uint16(s.Status.External.UDPPort)))
}

// reached waits until the node is reachable by TCP and UDP, and adds the time to the table. geth
// is the time that go-ethereum needs.
func (h *home) reached(what, geth string, limit time.Duration) {
	h.t.Helper()
	began := time.Now()
	err := await(limit, h.reach)
	took := time.Since(began)
	if err == nil && took > limit {
		err = fmt.Errorf("only after %v", took)
	}
	if err != nil {
		h.t.Errorf("%s: not reachable after %v: %v\nrules of the router:\n%s\n%s", what, limit, err, h.mappings(), h.tail())
		h.times.add(h.kind, what, "never", geth)
		return
	}
	h.times.add(h.kind, what, seconds(took), geth)
}

// still checks that the node is reachable. It retries, because packets may get lost.
func (h *home) still(when string) {
	h.t.Helper()
	if err := await(recovery, h.reach); err != nil {
		h.t.Errorf("%s: %v\nrules of the router:\n%s\n%s", when, err, h.mappings(), h.tail())
	}
}

// ping runs node ping from the Internet, from another host than reach: the node throttles
// addresses that connect often.
func (h *home) ping() {
	h.t.Helper()
	out, err := exec.Command("ip", "netns", "exec", h.host("pub2"), h.binary, "ping", h.record().URLv4()).CombinedOutput()
	if err != nil {
		h.t.Errorf("ping from the Internet: %v\n%s", err, out)
	}
}

// reported is the output of node nat --json.
type reported struct {
	Found []nat.Found
	Node  *node.NATStatus
}

// look runs node nat beside the node, and checks the exit code.
func (h *home) look(code int) (r reported) {
	h.t.Helper()
	cmd := exec.Command("ip", "netns", "exec", h.host("a1"), h.binary, "nat", "--json", "--datadir", h.dir)
	out, err := cmd.Output()
	if got := cmd.ProcessState.ExitCode(); got != code {
		h.t.Errorf("node nat: exit code %d, want %d: %v\n%s", got, code, err, out)
	}
	if err := json.Unmarshal(out, &r); err != nil {
		h.t.Fatalf("node nat: %v in %s", err, out)
	}
	return r
}

// logged is one record of the node's log.
type logged struct {
	Time                         time.Time
	Level, Event, Reason, Router string
	Words, From, To              string
	Code                         int
}

// events returns the NAT actor's log records of one event.
func (h *home) events(event string) (all []logged) {
	h.t.Helper()
	text, err := os.ReadFile(h.logs)
	if err != nil {
		h.t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		var r struct {
			logged
			Actor string
		}
		if json.Unmarshal([]byte(line), &r) != nil {
			continue // a line that is incomplete, or a stack that the Go runtime printed
		}
		if r.Event == event && strings.HasSuffix(r.Actor, "/nat") {
			all = append(all, r.logged)
		}
	}
	return all
}

// says waits until the log has a record of an event that is later than after, and returns the
// first one.
func (h *home) says(event string, after time.Time, limit time.Duration) logged {
	h.t.Helper()
	var got logged
	err := await(limit, func() error {
		for _, r := range h.events(event) {
			if r.Time.After(after) {
				got = r
				return nil
			}
		}
		return fmt.Errorf("the log has no %q after %v", event, after.Format(time.TimeOnly))
	})
	if err != nil {
		h.t.Fatalf("%v\n%s", err, h.tail())
	}
	return got
}

// tail returns the end of the log, for failures.
func (h *home) tail() string {
	text, err := os.ReadFile(h.logs)
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return "log:\n" + strings.Join(lines[max(0, len(lines)-40):], "\n")
}

// move makes a home in a lab of its own.
func (s *labs) move(t testing.TB, kind string, times *timesTaken) *home {
	t.Helper()
	h := &home{lab: s.up(t, kind), t: t, kind: kind, binary: s.binary, times: times, dir: t.TempDir()}
	h.logs = filepath.Join(t.TempDir(), "log")
	h.echo(t, "a1", natPort)
	h.askWAN()
	t.Cleanup(func() {
		if h.cmd != nil {
			_ = h.cmd.Process.Kill() // the test failed before it ended the node
			_ = h.cmd.Wait()
		}
	})
	return h
}

// timesTaken is the table of times that TestNATLab prints.
type timesTaken struct {
	mu   sync.Mutex
	rows [][4]string
}

func (t *timesTaken) add(kind, what, took, geth string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.rows = append(t.rows, [4]string{kind, what, took, geth})
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.1f s", d.Seconds()) }

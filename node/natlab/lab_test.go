//go:build natlab

package natlab_test

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// init keeps the process's first thread for the main goroutine. A process counts as a member of
// its first thread's namespace, and natlab kills the members of its own namespaces.
func init() { runtime.LockOSThread() }

// lab is one natlab: a home with the hosts a1 and a2 behind router A, and the host pub on the
// Internet. Each of them is a network namespace.
type lab struct {
	tool   string // the natlab script
	prefix string // of the namespaces' names
	env    []string
}

// command runs the natlab script and returns its output.
func (l *lab) command(args ...string) (string, error) {
	cmd := exec.Command(l.tool, args...)
	cmd.Env = l.env
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("natlab %s: %w\n%s", strings.Join(args, " "), err, errs.Bytes())
	}
	return strings.TrimSpace(out.String()), nil
}

// host returns the name of a host's namespace.
func (l *lab) host(name string) string { return l.prefix + "-" + name }

// at runs f on a thread in a host's namespace. The sockets that f opens stay in it. The thread
// ends with f, because it must not run other goroutines.
func (l *lab) at(host string, f func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // without unlock, so that the thread ends
		done <- func() error {
			ns, err := os.Open(filepath.Join("/run/netns", l.host(host)))
			if err != nil {
				return err
			}
			defer ns.Close()
			if err := unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET); err != nil {
				return fmt.Errorf("enter the namespace of %s: %w", host, err)
			}
			return f()
		}()
	}()
	return <-done
}

// probeTime is the time-out of one probe.
const probeTime = time.Second

// dialTCP checks from a host that an endpoint accepts connections.
func (l *lab) dialTCP(host string, to netip.AddrPort) error {
	return l.at(host, func() error {
		conn, err := net.DialTimeout("tcp4", to.String(), probeTime)
		if err != nil {
			return err
		}
		return conn.Close()
	})
}

// askUDP checks from a host that the echo at an endpoint answers.
func (l *lab) askUDP(host string, to netip.AddrPort) error {
	return l.at(host, func() error {
		conn, err := net.DialTimeout("udp4", to.String(), probeTime)
		if err != nil {
			return err
		}
		defer conn.Close()
		probe := []byte("probe")
		if _, err := conn.Write(probe); err != nil {
			return err
		}
		if err := conn.SetReadDeadline(time.Now().Add(probeTime)); err != nil {
			return err
		}
		got := make([]byte, 64)
		n, err := conn.Read(got)
		if err == nil && !bytes.Equal(got[:n], probe) {
			err = fmt.Errorf("%v answered %q", to, got[:n])
		}
		return err
	})
}

// echo answers UDP packets on a port of a host until the test ends.
func (l *lab) echo(t testing.TB, host string, port uint16) {
	t.Helper()
	var conn *net.UDPConn
	err := l.at(host, func() (err error) {
		conn, err = net.ListenUDP("udp4", &net.UDPAddr{Port: int(port)})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		buf := make([]byte, 2048)
		for {
			n, from, err := conn.ReadFromUDPAddrPort(buf)
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if err == nil {
				_, _ = conn.WriteToUDPAddrPort(buf[:n], from) // the probe is sent again
			}
		}
	}()
	t.Cleanup(func() { conn.Close(); <-done })
}

// labs is what all labs of a test share.
type labs struct {
	tool   string // natlab's script, in a directory that can be written
	binary string // the node
	mu     sync.Mutex
	count  int
}

// newLabs copies natlab, whose directory may be read-only, and builds the node.
func newLabs(t *testing.T) *labs {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Fatal("network namespaces need root")
	}
	from := os.Getenv("NATLAB")
	if from == "" {
		from = filepath.Join("..", "..", "..", "shared", "natlab") // beside the repository
	}
	dir := t.TempDir()
	if err := os.CopyFS(filepath.Join(dir, "natlab"), os.DirFS(from)); err != nil {
		t.Fatalf("copy natlab, whose directory the variable NATLAB names: %v", err)
	}
	s := &labs{tool: filepath.Join(dir, "natlab", "natlab"), binary: filepath.Join(dir, "node")}
	if out, err := exec.Command("go", "build", "-o", s.binary, "github.com/troupe-p2p/troupe/cmd/node").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	return s
}

// up makes a lab with router A of the first kind, and router B if there is a second kind, until
// the test ends.
func (s *labs) up(t testing.TB, routers ...string) *lab {
	t.Helper()
	s.mu.Lock()
	s.count++
	l := &lab{tool: s.tool, prefix: fmt.Sprintf("nt%dx%d", os.Getpid(), s.count)}
	s.mu.Unlock()
	l.env = append(os.Environ(), "NATLAB_PREFIX="+l.prefix, "NATLAB_STATE="+filepath.Join(t.TempDir(), "lab"))
	t.Cleanup(func() {
		if _, err := l.command("down"); err != nil {
			t.Error(err)
		}
	})
	args := []string{"up"}
	for i, router := range routers {
		args = append(args, []string{"--a", "--b"}[i], router)
	}
	if _, err := l.command(args...); err != nil {
		t.Fatal(err)
	}
	return l
}

// await calls try until it succeeds or the time is over, and returns the last error.
func await(limit time.Duration, try func() error) error {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	timeout := time.After(limit)
	for {
		err := try()
		if err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-timeout:
			return err
		}
	}
}

//go:build natlab

package troupe_test

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

// init keeps the process's first thread for the main goroutine. A process is thought to
// be in the namespace of its first thread, and natlab ends those that it finds in its own.
func init() { runtime.LockOSThread() }

// lab is a natlab of its own: a home with the hosts a1 and a2 behind router A, and a
// host pub on its Internet, all of them network namespaces.
type lab struct {
	tool   string // the natlab script
	prefix string // of the namespaces' names
	env    []string
}

// command runs the natlab script and gives what it prints.
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

// host is the name of a host's namespace.
func (l *lab) host(name string) string { return l.prefix + "-" + name }

// at runs f on a thread that is in a host's namespace, where the sockets that f opens
// stay. The thread ends with f: it is of no use to anybody else.
func (l *lab) at(host string, f func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // for good
		done <- func() error {
			ns, err := os.Open(filepath.Join("/run/netns", l.host(host)))
			if err != nil {
				return err
			}
			defer ns.Close()
			if err := unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET); err != nil {
				return fmt.Errorf("can't enter the namespace of %s: %w", host, err)
			}
			return f()
		}()
	}()
	return <-done
}

// probeTime is what one try to get through may take.
const probeTime = time.Second

// dialTCP says whether something accepts connections there, as seen by a host.
func (l *lab) dialTCP(host string, to netip.AddrPort) error {
	return l.at(host, func() error {
		conn, err := net.DialTimeout("tcp4", to.String(), probeTime)
		if err != nil {
			return err
		}
		return conn.Close()
	})
}

// askUDP says whether the echo there answers, as seen by a host.
func (l *lab) askUDP(host string, to netip.AddrPort) error {
	return l.at(host, func() error {
		conn, err := net.DialTimeout("udp4", to.String(), probeTime)
		if err != nil {
			return err
		}
		defer conn.Close()
		word := []byte("is anybody there?")
		if _, err := conn.Write(word); err != nil {
			return err
		}
		if err := conn.SetReadDeadline(time.Now().Add(probeTime)); err != nil {
			return err
		}
		got := make([]byte, 64)
		n, err := conn.Read(got)
		if err == nil && !bytes.Equal(got[:n], word) {
			err = fmt.Errorf("%v answered %q", to, got[:n])
		}
		return err
	})
}

// echo answers UDP on a port of a host until the test ends.
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
				_, _ = conn.WriteToUDPAddrPort(buf[:n], from) // who asked asks again
			}
		}
	}()
	t.Cleanup(func() { conn.Close(); <-done })
}

// labs is what all labs of a run share.
type labs struct {
	tool   string // natlab's script, in a folder that can be written to
	binary string // the node
	mu     sync.Mutex
	count  int
}

// newLabs copies natlab, whose folder may be read-only, and builds the node.
func newLabs(t *testing.T) *labs {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Fatal("network namespaces need root")
	}
	from := os.Getenv("NATLAB")
	if from == "" {
		from = filepath.Join("..", "shared", "natlab")
	}
	dir := t.TempDir()
	if err := os.CopyFS(filepath.Join(dir, "natlab"), os.DirFS(from)); err != nil {
		t.Fatalf("natlab (the variable NATLAB says where it is): %v", err)
	}
	s := &labs{tool: filepath.Join(dir, "natlab", "natlab"), binary: filepath.Join(dir, "node")}
	if out, err := exec.Command("go", "build", "-o", s.binary, "./cmd/node").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	return s
}

// up makes a lab with router A, and router B if there is a second kind. It is down again
// when the test ends.
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

// await tries until try succeeds or the time is over, and gives the last error.
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

//go:build unix

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/troupe-p2p/troupe/actors/actortest"
	"github.com/troupe-p2p/troupe/node/asynclog"
)

// fullPipe returns a pipe that is full and that nothing reads: its write end takes nothing.
func fullPipe(t *testing.T) (r, w *os.File) {
	t.Helper()
	r, w = pipe(t)
	if err := w.SetWriteDeadline(time.Now().Add(100 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	block := make([]byte, 4096)
	for range 1024 {
		if _, err := w.Write(block); errors.Is(err, os.ErrDeadlineExceeded) {
			return r, w
		}
	}
	t.Fatal("the pipe takes everything")
	return nil, nil
}

func pipe(t *testing.T) (r, w *os.File) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close(); w.Close() })
	return r, w
}

// tool is a command in a process of its own.
type tool struct {
	*exec.Cmd
	t     *testing.T
	ended chan struct{}
}

// startTool starts a command with these outputs. The process gets blocking files, as from a shell.
func startTool(t *testing.T, stdout, stderr *os.File, args ...string) *tool {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), actortest.Patience)
	cmd := exec.CommandContext(ctx, os.Args[0], args...)
	cmd.Env = append(os.Environ(), "TROUPE_TEST_NODE=1")
	cmd.Stdout, cmd.Stderr = stdout, stderr
	for _, f := range []*os.File{stdout, stderr} {
		f.Fd() // makes the file blocking
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	c := &tool{Cmd: cmd, t: t, ended: make(chan struct{})}
	go func() {
		_ = cmd.Wait() // ProcessState has the exit code
		close(c.ended)
	}()
	t.Cleanup(func() {
		cancel()
		<-c.ended
	})
	return c
}

// signal sends a signal.
func (c *tool) signal(s os.Signal) {
	c.t.Helper()
	if err := c.Process.Signal(s); err != nil {
		c.t.Fatal(err)
	}
}

// exits checks that the process exits with this code within d.
func (c *tool) exits(code int, d time.Duration) {
	c.t.Helper()
	select {
	case <-c.ended:
		if got := c.ProcessState.ExitCode(); got != code {
			c.t.Errorf("%v: exit code %d (%v), want %d", c.Args[1:], got, c.ProcessState, code)
		}
	case <-time.After(d):
		c.t.Errorf("%v still runs after %v", c.Args[1:], d)
	}
}

// runs checks that the process has not exited.
func (c *tool) runs() {
	c.t.Helper()
	select {
	case <-c.ended:
		c.t.Errorf("%v has exited: %v", c.Args[1:], c.ProcessState)
	default:
	}
}

// nodeArgs are the arguments of a node on loopback.
func nodeArgs(t *testing.T, more ...string) []string {
	return append([]string{"run", "--addr", "127.0.0.1", "--port", "0", "--nodiscover", "--nat", "none", "--datadir", t.TempDir()}, more...)
}

// firstLine reads a line.
func firstLine(t *testing.T, r io.Reader) string {
	t.Helper()
	line, err := bufio.NewReader(r).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(line)
}

// TestStalledLog: nothing takes the log of a node that logs much. It serves all the same, and
// ends at a signal.
func TestStalledLog(t *testing.T) {
	t.Parallel()
	out, stdout := pipe(t)
	_, stderr := fullPipe(t)
	c := startTool(t, stdout, stderr, nodeArgs(t, "--verbosity", "5", "--chaos.kill", "*/listener@20ms")...)
	url := strings.TrimPrefix(firstLine(t, out), "READY ")
	if code, _, errs := shell(nil, "ping", url); code != exitOK {
		t.Errorf("ping: %d, %s", code, errs)
	}
	c.signal(syscall.SIGTERM)
	c.exits(exitOK, 5*time.Second)
}

// TestSignalsAmidTheLastLines: nothing takes the log, so that the process waits for it when it
// ends. Signals that come again and again until it has ended do not kill it.
func TestSignalsAmidTheLastLines(t *testing.T) {
	t.Parallel()
	out, stdout := pipe(t)
	_, stderr := fullPipe(t)
	c := startTool(t, stdout, stderr, nodeArgs(t)...)
	firstLine(t, out)
	c.signal(syscall.SIGTERM)
	again := time.NewTicker(5 * time.Millisecond)
	defer again.Stop()
	for ended := false; !ended; {
		select {
		case <-c.ended:
			ended = true
		case <-again.C:
			// A SIGHUP is no impatience, and kills a process that does not expect it.
			if err := c.Process.Signal(syscall.SIGHUP); err != nil && !errors.Is(err, os.ErrProcessDone) {
				t.Fatal(err)
			}
		}
	}
	c.exits(exitOK, time.Second)
}

// TestStalledOutput: nothing takes the output of a command that runs until a signal comes, such
// as on a terminal that Ctrl-S has stopped. The signal ends it in order.
func TestStalledOutput(t *testing.T) {
	for name, args := range map[string][]string{
		"run":    nodeArgs(t),
		"devnet": {"devnet", "--nodes", "2"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, stdout := fullPipe(t)
			log, stderr := pipe(t)
			c := startTool(t, stdout, stderr, append(args, "--verbosity", "3")...)
			firstLine(t, log) // of the log: it has begun
			time.AfterFunc(2*time.Second, func() { _ = log.SetReadDeadline(time.Now()) })
			_, _ = io.Copy(io.Discard, log) // two seconds: devnet's first lines come after one
			c.runs()
			c.signal(syscall.SIGINT)
			c.exits(exitOK, 6*time.Second)
		})
	}
}

// TestLogReaderGone: a node goes on when nothing reads its log any more, whether SIGPIPE was
// ignored when it started or not.
func TestLogReaderGone(t *testing.T) {
	t.Parallel()
	out, stdout := pipe(t)
	log, stderr := pipe(t)
	c := startTool(t, stdout, stderr, nodeArgs(t, "--verbosity", "5")...)
	url := strings.TrimPrefix(firstLine(t, out), "READY ")
	log.Close()
	out.Close()
	for range 3 {
		if code, _, errs := shell(nil, "ping", url); code != exitOK {
			t.Errorf("ping: %d, %s", code, errs)
		}
	}
	c.runs()
	c.signal(syscall.SIGTERM)
	c.exits(exitOK, 5*time.Second)
}

// TestOutputReaderGone: a command whose output nothing reads any more ends in order, as if it
// were done.
func TestOutputReaderGone(t *testing.T) {
	dir := t.TempDir()
	start(t, "--datadir", dir)
	for name, args := range map[string][]string{
		"devnet": {"devnet", "--nodes", "2"},
		"peers":  {"peers", "--datadir", dir},
		"admin":  {"admin", "nodeInfo", "--datadir", dir},
		"enr":    {"enr", "--datadir", dir},
		"help":   {"help"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			out, stdout := pipe(t)
			out.Close()
			log, stderr := pipe(t)
			c := startTool(t, stdout, stderr, args...)
			c.exits(exitOK, actortest.Patience)
			stderr.Close()
			if text, err := io.ReadAll(log); err != nil || len(text) > 0 {
				t.Errorf("the command says %q, %v", text, err)
			}
		})
	}
}

// TestOutputFails: any other failure of the output is an error.
func TestOutputFails(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip(err)
	}
	defer full.Close()
	dir := t.TempDir()
	start(t, "--datadir", dir)
	for _, args := range [][]string{{"peers"}, {"peers", "--json"}, {"enr"}} {
		log, stderr := pipe(t)
		c := startTool(t, full, stderr, append(args, "--datadir", dir)...)
		c.exits(exitFailed, actortest.Patience)
		if line := firstLine(t, log); !strings.Contains(line, "no space left") {
			t.Errorf("%v says %q", args, line)
		}
	}
}

// TestHangUp: at SIGHUP a node says good-bye, as at SIGTERM. A SIGHUP that was ignored when the
// process started, as by nohup, stays ignored.
func TestHangUp(t *testing.T) {
	first := start(t)
	second := start(t, "--staticnodes", first.enode)
	second.awaitLog(`started.*direction=outbound`)
	if code, took := first.end(syscall.SIGHUP); code != exitOK || took > 5*time.Second {
		t.Errorf("exit code %d after %v", code, took)
	}
	second.awaitLog(`stopped.*remote: client quitting`)

	out, stdout := pipe(t)
	_, stderr := pipe(t)
	cmd := nodeArgs(t)
	p := exec.CommandContext(t.Context(), "sh", append([]string{"-c", `trap "" HUP; exec "$0" "$@"`, os.Args[0]}, cmd...)...)
	p.Env = append(os.Environ(), "TROUPE_TEST_NODE=1")
	p.Stdout, p.Stderr = stdout, stderr
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	url := strings.TrimPrefix(firstLine(t, out), "READY ")
	if err := p.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	if code, _, errs := shell(nil, "ping", url); code != exitOK {
		t.Errorf("ping after a SIGHUP: %d, %s", code, errs)
	}
	if err := p.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := p.Wait(); err != nil {
		t.Errorf("the node that ignores SIGHUP: %v", err)
	}
}

// TestReportOfLostLines: when the log has a reader again, it says how many lines were lost.
func TestReportOfLostLines(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "log")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	open := func(flag int) *os.File {
		t.Helper()
		f, err := os.OpenFile(path, flag|syscall.O_NONBLOCK, 0)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		return f
	}
	log := open(os.O_RDONLY)
	out, stdout := pipe(t)
	c := startTool(t, stdout, open(os.O_WRONLY), nodeArgs(t, "--verbosity", "5", "--log.format", "json")...)
	url := strings.TrimPrefix(firstLine(t, out), "READY ")
	log.Close()
	for range 2 {
		shell(nil, "ping", url)
	}
	log = open(os.O_RDONLY)
	shell(nil, "ping", url)
	for lines := bufio.NewScanner(log); lines.Scan(); {
		var record struct {
			Level, Msg, Err string
			Lines           int
		}
		if err := json.Unmarshal(lines.Bytes(), &record); err != nil {
			t.Fatalf("log line %q: %v", lines.Text(), err)
		}
		if record.Msg != asynclog.LossMessage {
			continue
		}
		if record.Level != "WARN" || record.Lines < 1 || !strings.Contains(record.Err, "broken pipe") {
			t.Errorf("the log has %s", lines.Text())
		}
		c.signal(syscall.SIGTERM)
		c.exits(exitOK, 5*time.Second)
		return
	}
	t.Error("the log has no report")
}

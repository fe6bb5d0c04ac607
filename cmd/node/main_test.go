package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/troupe-p2p/troupe/actors/actortest"
)

// TestMain makes the test binary run as the node if TROUPE_TEST_NODE is set, so that tests use
// real signals and exit codes.
func TestMain(m *testing.M) {
	if os.Getenv("TROUPE_TEST_NODE") != "" {
		addSlowProtocol()
		main()
	}
	if signal.Ignored(syscall.SIGHUP) { // as under nohup: the processes that the tests start would ignore it, too
		signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP)
	}
	goleak.VerifyTestMain(m)
}

// process is a node in its own process.
type process struct {
	*exec.Cmd
	t      *testing.T
	lines  *bufio.Scanner // of standard output
	stderr *os.File
	enode  string
}

// start runs a node on loopback and waits for its READY line.
func start(t *testing.T, args ...string) *process {
	t.Helper()
	return startWith(t, nil, args...)
}

// startWith is start with more environment variables.
func startWith(t *testing.T, env []string, args ...string) *process {
	t.Helper()
	p := launch(t, env, args...)
	p.awaitReady()
	return p
}

// awaitReady waits for the READY line.
func (p *process) awaitReady() {
	p.t.Helper()
	if !p.lines.Scan() {
		p.t.Fatalf("no READY line; standard error:\n%s", p.log())
	}
	url, ok := strings.CutPrefix(p.lines.Text(), "READY ")
	if !ok {
		p.t.Fatalf("first line %q, want READY and a URL", p.lines.Text())
	}
	p.enode = url
}

// launch does not wait for the node to be ready.
func launch(t *testing.T, env []string, args ...string) *process {
	t.Helper()
	p := prepare(t, env, args...)
	p.launch()
	return p
}

// prepare makes a process that is not started.
func prepare(t *testing.T, env []string, args ...string) *process {
	t.Helper()
	p := &process{t: t}
	p.Cmd = exec.Command(os.Args[0], append([]string{"run", "--port", "0", "--nodiscover", "--nat", "none", "--datadir", t.TempDir()}, args...)...)
	p.Env = append(append(os.Environ(), "TROUPE_TEST_NODE=1"), env...)
	out, err := p.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if p.stderr, err = os.CreateTemp(t.TempDir(), "stderr"); err != nil {
		t.Fatal(err)
	}
	p.Stderr = p.stderr
	t.Cleanup(func() { p.stderr.Close() })
	p.lines = bufio.NewScanner(out)
	return p
}

// launch starts the process, until the test ends.
func (p *process) launch() {
	p.t.Helper()
	if err := p.Start(); err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() {
		_ = p.Process.Kill() // usually it has exited already
		_ = p.Wait()
	})
}

func (p *process) log() string {
	p.t.Helper()
	b, err := os.ReadFile(p.stderr.Name())
	if err != nil {
		p.t.Fatal(err)
	}
	return string(b)
}

// awaitLog waits until the log matches.
func (p *process) awaitLog(pattern string) {
	p.t.Helper()
	re := regexp.MustCompile(pattern)
	if !actortest.Poll(func() bool { return re.MatchString(p.log()) }) {
		p.t.Fatalf("the log never matched %s:\n%s", pattern, p.log())
	}
}

// find returns the first group of the first match of a pattern in the log.
func (p *process) find(pattern string) string {
	p.t.Helper()
	p.awaitLog(pattern)
	return regexp.MustCompile(pattern).FindStringSubmatch(p.log())[1]
}

// end sends a signal. It returns the exit code and how long the process took to exit.
func (p *process) end(s os.Signal) (code int, took time.Duration) {
	p.t.Helper()
	begin := time.Now()
	if err := p.Process.Signal(s); err != nil {
		p.t.Fatal(err)
	}
	for p.lines.Scan() {
		p.t.Errorf("unexpected line on standard output: %q", p.lines.Text())
	}
	_ = p.Wait() // ProcessState has the exit code
	return p.ProcessState.ExitCode(), time.Since(begin)
}

// shell runs a command line in this process.
func shell(in io.Reader, args ...string) (code int, stdout, stderr string) {
	signals, stop := watchSignals()
	defer stop()
	var out, errs bytes.Buffer
	code = command(signals, append([]string{"node"}, args...), in, &out, &errs)
	return code, out.String(), errs.String()
}

func TestReadyAndStop(t *testing.T) {
	for _, s := range []os.Signal{syscall.SIGTERM, os.Interrupt} {
		p := start(t)
		if !regexp.MustCompile(`^enode://[0-9a-f]{128}@127\.0\.0\.1:[1-9][0-9]*$`).MatchString(p.enode) {
			t.Errorf("READY %s", p.enode)
		}
		if code, took := p.end(s); code != exitOK || took > 5*time.Second {
			t.Errorf("%v: exit code %d after %v", s, code, took)
		}
	}
}

func TestPeersHearThatTheNodeQuits(t *testing.T) {
	first := start(t)
	second := start(t, "--staticnodes", first.enode)
	second.awaitLog(`started.*direction=outbound`)
	if code, took := first.end(syscall.SIGTERM); code != exitOK || took > 5*time.Second {
		t.Errorf("exit code %d after %v", code, took)
	}
	second.awaitLog(`stopped.*remote: client quitting`)
}

func TestRecordAndKeyOfTheRunningNode(t *testing.T) {
	dir := t.TempDir()
	p := start(t, "--datadir", dir, "--nat", "extip:203.0.113.7")
	code, out, errs := shell(nil, "enr", "--datadir", dir)
	if code != exitOK || !strings.HasPrefix(out, "enr:") || strings.Count(out, "\n") != 1 {
		t.Errorf("enr: %d, %q, %q", code, out, errs)
	}
	code, out, errs = shell(nil, "key", "show", "--datadir", dir)
	if code != exitOK || !strings.Contains(out, p.enode[len("enode://"):][:128]) {
		t.Errorf("key show: %d, %q, %q; want the public key of %s", code, out, errs, p.enode)
	}
}

func TestKeyCommands(t *testing.T) {
	file := filepath.Join(t.TempDir(), "new", "key")
	code, made, errs := shell(nil, "key", "generate", "--nodekey", file)
	if code != exitOK {
		t.Fatalf("generate: %d, %s", code, errs)
	}
	secret, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(made, string(secret)) {
		t.Error("generate prints the private key")
	}
	if code, shown, errs := shell(nil, "key", "show", "--nodekey", file); code != exitOK || shown != made {
		t.Errorf("show: %d, %q, %s; want what generate printed: %q", code, shown, errs, made)
	}
	if code, _, errs := shell(nil, "key", "generate", "--nodekey", file); code != exitFailed || errs == "" {
		t.Errorf("generate over a key: %d, %q", code, errs)
	}
	p := start(t, "--nodekey", file)
	if id := strings.Fields(made)[2]; !strings.Contains(p.enode, id) {
		t.Errorf("the URL of the node with this key is %s, want the ID %s", p.enode, id)
	}
}

func TestPingCommand(t *testing.T) {
	p := start(t, "--identity", "tester", "--protocols", "chat, bench")
	code, out, errs := shell(nil, "ping", p.enode)
	if code != exitOK {
		t.Fatalf("ping: %d, %s", code, errs)
	}
	for _, want := range []string{`"Troupe/tester/v`, "chat/1", "bench/1", "pong", "127.0.0.1"} {
		if !strings.Contains(out, want) {
			t.Errorf("the output of ping does not contain %s:\n%s", want, out)
		}
	}
	full := start(t, "--maxpeers", "0")
	if code, _, errs := shell(nil, "ping", full.enode); code != exitRefused || !strings.Contains(errs, "too many peers") {
		t.Errorf("ping a full node: %d, %q; want %d", code, errs, exitRefused)
	}
	full.end(syscall.SIGTERM)
	if code, _, _ := shell(nil, "ping", full.enode); code != exitFailed {
		t.Errorf("ping a stopped node: %d, want %d", code, exitFailed)
	}
}

func TestChatCommand(t *testing.T) {
	p := start(t)
	in, typed := io.Pipe()
	done := make(chan int, 1)
	go func() {
		code, _, _ := shell(in, "chat", p.enode)
		done <- code
	}()
	fmt.Fprintln(typed, "hello there")
	fmt.Fprintln(typed, "good bye")
	typed.Close()
	if code := <-done; code != exitOK {
		t.Errorf("chat: %d", code)
	}
	p.awaitLog(`addr=127\.0\.0\.1:\d+ line="hello there"`)
	p.awaitLog(`good bye`)

	in, typed = io.Pipe()
	defer typed.Close()
	go func() {
		code, _, _ := shell(in, "chat", p.enode)
		done <- code
	}()
	fmt.Fprintln(typed, "still there?")
	p.awaitLog(`still there`)
	p.end(syscall.SIGTERM)
	if code := <-done; code != exitFailed {
		t.Errorf("chat with a node that stopped: %d, want %d", code, exitFailed)
	}
}

func TestChaosFlag(t *testing.T) {
	first := start(t, "--log.format", "json", "--chaos.kill", "*/chat@20ms", "--chaos.kill", "*/listener@30ms")
	second := start(t, "--staticnodes", first.enode)
	second.awaitLog("direction=outbound")
	first.awaitLog(`(?s)"event":"restarted".*"event":"restarted".*"event":"restarted"`)
	first.awaitLog(`"actor":"node-[0-9a-f]{8}/peers/peer-[0-9a-f]{8}/chat","event":"failed"`)
	first.awaitLog(`"actor":"node-[0-9a-f]{8}/listener","event":"restarted"`)
	if strings.Contains(second.log(), "stopped") {
		t.Errorf("the link ended:\n%s", second.log())
	}
	first.end(syscall.SIGTERM)
	for line := range strings.Lines(first.log()) {
		var record map[string]any
		if err := json.Unmarshal([]byte(line), &record); err != nil || record["level"] == nil {
			t.Fatalf("not a JSON record: %q (%v)", line, err)
		}
	}
	if code, help, _ := shell(nil, "--help"); code != exitOK || strings.Contains(help, "chaos") {
		t.Errorf("help: %d, mentions chaos: %v", code, strings.Contains(help, "chaos"))
	}
}

// TestUsageErrorsNameTheFlag.
func TestUsageErrorsNameTheFlag(t *testing.T) {
	for says, args := range map[string][]string{
		"--port 70000: want 0 to 65535":                        {"--port", "70000"},
		`unknown command "fly": see node --help`:               {"fly"},
		"--verbosity: ":                                        {"--verbosity", "6"},
		"--log.format: ":                                       {"--log.format", "xml"},
		"--maxpeers -1: ":                                      {"--maxpeers", "-1"},
		"--maxpendpeers -2: ":                                  {"--maxpendpeers", "-2"},
		"--duration -1s: ":                                     {"devnet", "--duration", "-1s"},
		`--addr: listening address "localhost"`:                {"--addr", "localhost"},
		"--addr: listening address 127.0.0.1 is listed twice":  {"--addr", "127.0.0.1, ::ffff:127.0.0.1"},
		"--addr: listening address 0.0.0.0 includes 127.0.0.1": {"--addr", "127.0.0.1,0.0.0.0"},
		"--addr: listening address :: includes ::1":            {"--addr", "::,::1"},
	} {
		code, _, errs := shell(nil, append(args, "--datadir", t.TempDir())...)
		if code != exitUsage || !strings.Contains(errs, says) {
			t.Errorf("%q: exit code %d, %q; want %d, %q", args, code, errs, exitUsage, says)
		}
	}
}

func TestUsageErrors(t *testing.T) {
	dir := t.TempDir()
	tests := [][]string{
		{"fly"},
		{"--bogus"},
		{"run", "--bogus"},
		{"run", "now"},
		{"--port", "x"},
		{"--port", "70000"},
		{"--verbosity", "6"},
		{"--log.format", "xml"},
		{"--nat", "upnp:192.0.2.1"},
		{"--network", "atlantis"},
		{"--bootnodes", "enode://zz"},
		{"--discovery.port", "70000"},
		{"--netrestrict", "10"},
		{"--staticnodes", "enode://zz@127.0.0.1:1"},
		{"--trustednodes", "bob"},
		{"--protocols", "telepathy"},
		{"--protocols", "chat,chat"},
		{"--http", "--http.port", "0", "--http.api", "net,debug"},
		{"--protocols", "chat, bench, chat"},
		{"--nodekeyhex", "1234"},
		{"--nopunch", "--punch.private"},
		{"--nodiscover", "--discovery.v4"},
		{"--nodiscover", "--discv5=false"},
		{"--ipcdisable", "--ipcpath", "x"},
		{"--nodiscover", "--staticnodes", "enode://" + strings.Repeat("0", 128)},
		{"--nodekeyhex", strings.Repeat("1", 64), "--nodekey", "x"},
		{"--chaos.kill", "*/bench"},
		{"enr", "now"},
		{"ping"},
		{"ping", "bob"},
		{"chat", "enode://zz", "x"},
	}
	for _, args := range tests {
		code, out, errs := shell(nil, append(args, "--datadir", dir)...)
		if code != exitUsage || errs == "" || strings.Contains(out, "READY") {
			t.Errorf("%q: exit code %d, %q; want %d and an error message", args, code, errs, exitUsage)
		}
	}
	if code, _, errs := shell(nil, "enr", "--datadir", dir); code != exitFailed || errs == "" {
		t.Errorf("enr without a node: %d, %q", code, errs)
	}
}

func TestPortIsTaken(t *testing.T) {
	p := start(t)
	port := p.enode[strings.LastIndex(p.enode, ":")+1:]
	code, out, errs := shell(nil, "--port", port, "--datadir", t.TempDir())
	if code != exitFailed || out != "" || !strings.Contains(errs, port) {
		t.Errorf("second node on the port: %d, %q, %q", code, out, errs)
	}
}

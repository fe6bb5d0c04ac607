package main

import (
	"bufio"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/troupe-p2p/troupe/actors/actortest"
)

// inModule runs a command in a directory and returns its output.
func inModule(t *testing.T, dir, name string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %q: %v\n%s", name, args, err, out)
	}
	return string(out)
}

// TestNewProtocol: the generated module passes its tests without changes, and its nodes exchange
// messages.
func TestNewProtocol(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "x")
	code, out, errs := shell(nil, "new-protocol", "ping", dir)
	if code != exitOK || !strings.Contains(out, "go test ./...") {
		t.Fatalf("new-protocol: %d, %q, %s", code, out, errs)
	}
	inModule(t, dir, "go", "vet", "./...")
	if out := inModule(t, dir, "gofmt", "-l", "."); out != "" {
		t.Errorf("not formatted: %s", out)
	}
	if out := inModule(t, dir, "go", "test", "-v", "./..."); !strings.Contains(out, "--- PASS: TestRestart") {
		t.Errorf("TestRestart did not pass:\n%s", out)
	}
	inModule(t, dir, "go", "build", "-o", ".", "./cmd/ping")
	first, url := startGenerated(t, dir, "first")
	second, _ := startGenerated(t, dir, "second", "--peers", url)
	for _, p := range []*bufio.Scanner{first, second} {
		if !p.Scan() || !strings.Contains(p.Text(), `answered "hello"`) {
			t.Errorf("a node printed %q, want the answer", p.Text())
		}
	}
}

// startGenerated runs the generated node. It returns the node's URL and the output after it.
func startGenerated(t *testing.T, dir, name string, args ...string) (lines *bufio.Scanner, url string) {
	t.Helper()
	cmd := exec.Command(filepath.Join(dir, "ping"), append([]string{"--datadir", filepath.Join(dir, name)}, args...)...)
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdout, cmd.Stderr = write, write
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	write.Close()
	overdue := time.AfterFunc(actortest.Patience, func() { _ = cmd.Process.Kill() }) // which ends the output
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		if err := cmd.Wait(); err != nil {
			t.Errorf("%s node: %v", name, err)
		}
		overdue.Stop()
		read.Close()
	})
	lines = bufio.NewScanner(read)
	if !lines.Scan() || !strings.HasPrefix(lines.Text(), "enode://") {
		t.Fatalf("%s node: first line %q", name, lines.Text())
	}
	return lines, lines.Text()
}

// TestNewProtocolOfAnyName: the protocol's name is not a valid package name, and the user gives
// the module path.
func TestNewProtocolOfAnyName(t *testing.T) {
	dir := t.TempDir()
	const name = `2"a\{{%s`
	code, _, errs := shell(nil, "new-protocol", "--troupe", "../..", "--module", "example.org/me/odd", name, dir)
	if code != exitOK {
		t.Fatalf("new-protocol: %d, %s", code, errs)
	}
	inModule(t, dir, "go", "test", "./...")
	if out := inModule(t, dir, "go", "list", "./..."); out != "example.org/me/odd\nexample.org/me/odd/cmd/p2as\n" {
		t.Errorf("the module has the packages %s", out)
	}
	if code, _, errs := shell(nil, "new-protocol", "again", dir); code != exitFailed || !strings.Contains(errs, "not empty") {
		t.Errorf("into a directory that is not empty: %d, %q", code, errs)
	}
}

func TestNewProtocolRefuses(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "x")
	for _, args := range [][]string{
		{},
		{"ping"},
		{"ping", dir, "more"},
		{"much-too-long", dir},
		{"", dir},
		{"a/b", dir},
		{"a b", dir},
		{"p2p", dir},
		{"--troupe", t.TempDir(), "ping", dir},
		{"--module", `a"b`, "ping", dir},
		{"--module", "a//b", "ping", dir},
	} {
		if code, _, errs := shell(nil, append([]string{"new-protocol"}, args...)...); code != exitUsage || errs == "" {
			t.Errorf("%q: %d, %q, want %d", args, code, errs, exitUsage)
		}
	}
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("the directory exists: %v", err)
	}
}

func TestPackageOf(t *testing.T) {
	for name, want := range map[string]string{
		"ping": "ping", "My-Chat": "mychat", "func": "pfunc", "main": "pmain", "9p": "p9p", "++": "p", "internal": "pinternal",
	} {
		if got := packageOf(name); got != want {
			t.Errorf("%q: package %s, want %s", name, got, want)
		}
	}
}

// TestRequireARelease: go.mod and go.sum of a module that requires a release of Troupe.
func TestRequireARelease(t *testing.T) {
	release, err := readTroupe("../..")
	if err != nil {
		t.Fatal(err)
	}
	release.version, release.sum = "v1.2.3", "h1:abc="
	mod, sum := string(release.modFile("example.org/x")), string(release.sumFile())
	if !strings.Contains(mod, "\t"+troupeModule+" v1.2.3\n") || strings.Contains(mod, "replace") {
		t.Errorf("go.mod:\n%s", mod)
	}
	for _, want := range []string{troupeModule + " v1.2.3 h1:abc=\n", troupeModule + " v1.2.3/go.mod h1:", string(release.goSum)} {
		if !strings.Contains(sum, want) {
			t.Errorf("go.sum has no %s:\n%s", want, sum)
		}
	}
}

// TestModHash compares the hash with one that the go command wrote.
func TestModHash(t *testing.T) {
	var m struct{ Path, Version, GoMod string }
	if err := json.Unmarshal([]byte(inModule(t, "../..", "go", "list", "-m", "-json", "github.com/urfave/cli/v3")), &m); err != nil {
		t.Fatal(err)
	}
	mod, err := os.ReadFile(m.GoMod)
	if err != nil {
		t.Fatal(err)
	}
	sums, err := os.ReadFile("../../go.sum")
	if err != nil {
		t.Fatal(err)
	}
	if line := m.Path + " " + m.Version + "/go.mod " + modHash(mod) + "\n"; !strings.Contains(string(sums), line) {
		t.Errorf("go.sum has no line %q", line)
	}
}

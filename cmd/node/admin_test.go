package main

import (
	"encoding/json"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/troupe-p2p/troupe/actors/actortest"
)

// at runs a command against the node with this data directory and returns its standard output.
func at(t *testing.T, dir string, args ...string) string {
	t.Helper()
	code, out, errs := shell(nil, append(args, "--datadir", dir)...)
	if code != exitOK {
		t.Fatalf("%q: exit %d: %s", args, code, errs)
	}
	return out
}

// TestCommandsToARunningNode tests the commands with which an operator controls a running node.
func TestCommandsToARunningNode(t *testing.T) {
	dir := t.TempDir()
	p, other := start(t, "--datadir", dir, "--protocols", "chat"), start(t, "--protocols", "chat,bench")
	at(t, dir, "admin", "addPeer", other.enode)
	awaitOutput(t, dir, `outbound, static +127\.0\.0\.1:\d+ .* chat/1 +Troupe`, "peers")

	at(t, dir, "protocol", "add", "bench")
	awaitOutput(t, dir, `bench/1 +yes +0`, "protocol", "list")
	at(t, dir, "admin", "removePeer", other.enode)
	awaitOutput(t, dir, `^\[\]\n$`, "peers", "--json")
	at(t, dir, "admin", "admin_addPeer", other.enode)
	awaitOutput(t, dir, `bench/1 +yes +1`, "protocol", "list")
	at(t, dir, "protocol", "remove", "bench")
	awaitOutput(t, dir, `bench/1 +no +1`, "protocol", "list")

	at(t, dir, "ban", "192.0.2.0/24", "--for", "90m", "--reason", "too loud")
	awaitOutput(t, dir, `192\.0\.2\.0/24 .* operator +too loud`, "bans")
	at(t, dir, "unban", "192.0.2.0/24")
	awaitOutput(t, dir, `^\[\]\n$`, "bans", "--json")
	var version string
	if err := json.Unmarshal([]byte(at(t, dir, "admin", "web3_clientVersion")), &version); err != nil || !strings.HasPrefix(version, "Troupe/") {
		t.Errorf("version %q, %v", version, err)
	}

	for _, tt := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"admin"}, exitUsage, "METHOD is missing"},
		{[]string{"admin", "noSuchMethod"}, exitRefused, "admin_noSuchMethod"},
		{[]string{"admin", "addPeer", `"enode:"`}, exitRefused, "node"},
		{[]string{"protocol", "add", "chat"}, exitRefused, "runs already"},
		{[]string{"protocol", "add", "snap"}, exitRefused, "known protocols: chat, bench, eth, shh"},
		{[]string{"protocol", "remove", "shh"}, exitRefused, "no protocol"},
		{[]string{"protocol", "remove", "chat/7"}, exitRefused, `versions: \[1\]`},
		{[]string{"ban", "nonsense"}, exitUsage, "nonsense"},
		{[]string{"ban", "192.0.2.1", "--for", "1ms"}, exitRefused, "at least a second"},
		{[]string{"unban", "192.0.2.1"}, exitRefused, "no ban"},
		{[]string{"peers", "--ipcpath", filepath.Join(dir, "absent")}, exitFailed, "no node serves"},
	} {
		code, _, errs := shell(nil, append(tt.args, "--datadir", dir)...)
		if code != tt.code || !regexp.MustCompile(tt.says).MatchString(errs) {
			t.Errorf("%q: exit %d, want %d; %s", tt.args, code, tt.code, errs)
		}
	}
	if code, out, _ := shell(nil, "run", "--datadir", dir, "--port", "0", "--nodiscover", "--nat", "none"); code != exitFailed {
		t.Errorf("a second node on the data directory: exit %d, %s", code, out)
	}
	at(t, dir, "peers") // the socket still belongs to the first node
	if code, _ := p.end(syscall.SIGTERM); code != exitOK {
		t.Errorf("exit %d", code)
	}
}

// TestWhoDialed tests the DIRECTION column in the list of peers.
func TestWhoDialed(t *testing.T) {
	for want, said := range map[string]string{
		"outbound":                          `{}`,
		"inbound, trusted":                  `{"network":{"inbound":true,"trusted":true}}`,
		"outbound, punched, static":         `{"punched":true,"network":{"static":true}}`,
		"inbound, punched, static, trusted": `{"punched":true,"network":{"inbound":true,"static":true,"trusted":true}}`,
	} {
		var p peer
		if err := json.Unmarshal([]byte(said), &p); err != nil || p.direction() != want {
			t.Errorf("%s: %q, want %q; %v", said, p.direction(), want, err)
		}
	}
}

// awaitOutput repeats a command until its output matches.
func awaitOutput(t *testing.T, dir, pattern string, args ...string) {
	t.Helper()
	re := regexp.MustCompile(pattern)
	var out string
	if !actortest.Poll(func() bool { out = at(t, dir, args...); return re.MatchString(out) }) {
		t.Fatalf("the output of %q never matched %s:\n%s", args, pattern, out)
	}
}

// TestShortIDs: an ID is taken as the lists show it, and where no address is needed.
func TestShortIDs(t *testing.T) {
	dir := t.TempDir()
	p := start(t, "--datadir", dir)
	start(t, "--staticnodes", p.enode)
	p.awaitLog("started.*direction=inbound")
	short := strings.Fields(strings.Split(at(t, dir, "peers"), "\n")[1])[0]
	if len(short) != 16 {
		t.Fatalf("ID %q", short)
	}
	at(t, dir, "admin", "addTrustedPeer", short)
	awaitOutput(t, dir, "inbound, trusted", "peers")
	at(t, dir, "admin", "removeTrustedPeer", short)
	at(t, dir, "admin", "addTrustedPeer", strings.Repeat("ab", 32))
	at(t, dir, "ban", short)
	if bans := at(t, dir, "bans"); !strings.Contains(bans, short) {
		t.Errorf("bans:\n%s", bans)
	}
	at(t, dir, "unban", short)
	if code, _, errs := shell(nil, "ban", "00000000", "--datadir", dir); code != exitRefused || !strings.Contains(errs, "has an ID that begins so") {
		t.Errorf("an ID of no peer: exit %d, %s", code, errs)
	}
}

func TestAdminFlags(t *testing.T) {
	for _, tt := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"--http", "--http.port", "70000"}, exitUsage, "http.port"},
		{[]string{"--http", "--http.api", "admin", "--http.vhosts", "*"}, exitUsage, "every web page"},
		{[]string{"--ws", "--http.api", "admin", "--ws.origins", "*"}, exitUsage, "every web page"},
		{[]string{"--http", "--http.api", "admin", "--http.addr", "0.0.0.0", "--http.port", "0"}, exitFailed, "loopback"},
		{[]string{"--http", "--http.addr", ""}, exitUsage, "--http.addr is empty"},
		{[]string{"--ws", "--http.addr", " "}, exitUsage, "--http.addr is empty"},
		{[]string{"--ipcpath", "/" + strings.Repeat("long/", 30) + "node.ipc"}, exitFailed, "too long"},
	} {
		code, _, errs := shell(nil, append([]string{"run", "--datadir", t.TempDir(), "--port", "0", "--nodiscover", "--nat", "none", "--verbosity", "0"}, tt.args...)...)
		if code != tt.code || !strings.Contains(errs, tt.says) {
			t.Errorf("%q: exit %d, want %d; %s", tt.args, code, tt.code, errs)
		}
	}
}

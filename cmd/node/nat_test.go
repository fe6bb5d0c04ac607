package main

import (
	"encoding/json"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/troupe-p2p/troupe/nat"
	"github.com/troupe-p2p/troupe/node"
)

// TestNATCommand needs no router: it uses a fixed address, or a closed port of this host.
func TestNATCommand(t *testing.T) {
	dir := t.TempDir()
	for _, tt := range []struct {
		args   string
		code   int
		stdout string
		stderr string
	}{
		{"nat --nat none", exitOK, `^Not searched: .*\n\nNo NAT status: no node runs`, `^$`},
		{"--nat extip:1.2.3.4 nat", exitOK, `(?m)^extip +- +- +1\.2\.3\.4$`, `^$`},
		{"nat --nat extip:1.2.3.4 --json", exitOK, `"external": "1.2.3.4"`, `^$`},
		{"nat --nat pmp:127.0.0.1", exitFailed, `^No router answered over .*\n(?s:.*)Search problems:\n  - nat-pmp .*127\.0\.0\.1`, `no router answered`},
		{"nat --nat soon", exitUsage, `^$`, `^node: --nat: "soon": want any`},
		{"nat now", exitUsage, `^$`, `takes 0 arguments`},
	} {
		code, stdout, stderr := shell(nil, append(strings.Fields(tt.args), "--datadir", dir)...)
		if code != tt.code || !regexp.MustCompile(tt.stdout).MatchString(stdout) || !regexp.MustCompile(tt.stderr).MatchString(stderr) {
			t.Errorf("node %s: exit code %d\n%s\n%s", tt.args, code, stdout, stderr)
		}
	}
}

func TestNATCommandReadsWhatTheNodeWrote(t *testing.T) {
	dir := t.TempDir()
	want := node.NATStatus{Written: time.Now().Truncate(time.Second), Status: nat.Status{
		State: nat.Mapped, Method: nat.MethodPCP, Router: nat.Router{Name: "box"},
		Ports: []nat.PortStatus{{Protocol: "TCP", Internal: 30303, External: 40404, Ends: time.Now().Add(time.Hour)}},
	}}
	text, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "nat.json")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	code, stdout, _ := shell(nil, "nat", "--datadir", dir, "--nat", "none", "--json")
	var got reachability
	if err := json.Unmarshal([]byte(stdout), &got); err != nil || code != exitOK {
		t.Fatalf("exit code %d, %v in %s", code, err, stdout)
	}
	if got.Node == nil || !got.Node.Written.Equal(want.Written) || got.Node.Status.State != nat.Mapped || got.Node.Status.Ports[0].External != 40404 {
		t.Errorf("got %+v", got.Node)
	}
	if err := os.WriteFile(file, text[1:], 0o600); err != nil {
		t.Fatal(err)
	}
	if _, stdout, _ := shell(nil, "nat", "--datadir", dir, "--nat", "none"); !strings.Contains(stdout, "Search problems:\n  - NAT status ") {
		t.Errorf("with an invalid file: %s", stdout)
	}
}

// TestNATForPeople: the output has aligned columns.
func TestNATForPeople(t *testing.T) {
	now := time.Date(2025, 1, 2, 3, 4, 5, 0, time.UTC)
	gate, public := netip.MustParseAddr("192.168.1.1"), netip.MustParseAddr("1.2.3.4")
	box := nat.Router{Name: "box", Addr: gate}
	r := reachability{
		Found: []nat.Found{
			{Method: nat.MethodPCP, Router: box},
			{Method: nat.MethodPMP, Router: box, Error: "error 3"},
			{Method: nat.MethodUPnP, Kind: "WANIPConnection:1", Router: nat.Router{Name: "a box with a long name", Addr: gate}, External: public,
				Mappings: []nat.PortStatus{{Protocol: "TCP", External: 1, Internal: 2, Permanent: true}, {Protocol: "UDP", External: 3, Internal: 4, Ends: now.Add(90 * time.Second)}}},
		},
		Node: &node.NATStatus{Written: now.Add(-5 * time.Second), Status: nat.Status{
			State: nat.Degraded, Since: now.Local(), Method: nat.MethodPCP, Router: box, External: nat.ExternalAddress{IP: public, Confidence: nat.Granted},
			Ports: []nat.PortStatus{
				{Protocol: "TCP", Internal: 2, External: 1, Ends: now.Add(-time.Minute), Proved: true},
				{Protocol: "UDP", Internal: 2, LastError: "no room"},
			},
			Problems: []string{"the router is full"}, NextTry: now.Add(8 * time.Second),
		}},
		Problems: []string{"eth1 is down"},
	}
	want := `METHOD                  ROUTER                  ADDRESS      EXTERNAL
pcp                     box                     192.168.1.1  given with a mapping
nat-pmp                 box                     192.168.1.1  -                     error 3
upnp WANIPConnection:1  a box with a long name  192.168.1.1  1.2.3.4

Mappings to this host that the routers list, made by any program:
METHOD  PROTOCOL  EXTERNAL  INTERNAL  TIME LEFT
upnp    TCP       1         2         permanent
upnp    UDP       3         4         1m30s

The node, as of 5s ago: degraded since ` + now.Local().Format(time.DateTime) + `, by pcp of box at 192.168.1.1
Other nodes reach it at 1.2.3.4 (granted)
PROTOCOL  EXTERNAL  INTERNAL  TIME LEFT       PROVED  LAST ERROR
TCP       1         2         ended 1m0s ago  yes
UDP       -         2         not mapped      no      no room
Why routers did not map its ports:
  - the router is full
The node searches for routers again in 8s.

Search problems:
  - eth1 is down
`
	var b strings.Builder
	r.print(&b, now)
	if b.String() != want {
		t.Errorf("got\n%s\nwant\n%s", b.String(), want)
	}
}

// TestNATVerdict: the exit code says whether a router can map ports.
func TestNATVerdict(t *testing.T) {
	private := nat.Found{Method: nat.MethodUPnP, Warning: "double NAT"}
	for _, tt := range []struct {
		name   string
		found  []nat.Found
		refuse bool
		want   string
	}{
		{"one serves", []nat.Found{private, {Method: nat.MethodPMP}}, false, ""},
		{"double NAT", []nat.Found{private}, true, "no router that answered"},
		{"errors", []nat.Found{{Error: "no"}}, true, "no router that answered"},
		{"silence", nil, false, "no router answered"},
	} {
		err := (&reachability{Found: tt.found}).verdict()
		_, refused := err.(*failure)
		if refused != tt.refuse || (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v", tt.name, err)
		}
		var b strings.Builder
		(&reachability{Found: tt.found}).print(&b, time.Now())
		if strings.Contains(b.String(), "bridge mode") != (tt.name == "double NAT" || tt.name == "one serves") {
			t.Errorf("%s: %s", tt.name, &b)
		}
	}
}

package main

import (
	"encoding/json"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/troupe-p2p/troupe/nat"
	"github.com/troupe-p2p/troupe/node"
	"github.com/troupe-p2p/troupe/node/punch"
)

// TestNATCommandShowsHoles: the command shows the file of a node whose port mapping is disabled.
func TestNATCommandShowsHoles(t *testing.T) {
	dir := t.TempDir()
	want := punch.State{
		Belief: punch.EndpointIndependent, Observed: netip.MustParseAddrPort("1.2.3.4:5"), TCP: netip.MustParseAddrPort("[2a00::1]:6"),
		Relays: []enode.ID{{1}, {2}}, Calls: map[string]uint64{"linked": 3}, Rung: map[string]uint64{}, Relayed: 7,
	}
	text, err := json.Marshal(node.NATStatus{Written: time.Now().Add(-time.Minute), HolePunching: &want})
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(text), `"status"`) {
		t.Errorf("the file of a node without port mapping has a router status: %s", text)
	}
	if err := os.WriteFile(filepath.Join(dir, "nat.json"), text, 0o600); err != nil {
		t.Fatal(err)
	}
	code, stdout, _ := shell(nil, "nat", "--datadir", dir, "--nat", "none", "--json")
	var got reachability
	if err := json.Unmarshal([]byte(stdout), &got); err != nil || code != exitOK {
		t.Fatalf("exit code %d, %v in %s", code, err, stdout)
	}
	if got.Node == nil || got.Node.HolePunching == nil || !reflect.DeepEqual(*got.Node.HolePunching, want) {
		t.Errorf("got %+v of %s", got.Node, stdout)
	}
	code, stdout, _ = shell(nil, "nat", "--datadir", dir, "--nat", "none")
	if code != exitOK || !strings.Contains(stdout, "ago: endpoint-independent\n") || strings.Contains(stdout, "since") {
		t.Errorf("exit code %d\n%s", code, stdout)
	}
}

// TestHolesForPeople: the output has aligned columns, with the most frequent result first.
func TestHolesForPeople(t *testing.T) {
	now := time.Date(2025, 1, 2, 3, 4, 5, 0, time.UTC)
	for _, tt := range []struct {
		name  string
		state punch.State
		want  string
	}{
		{"nothing known", punch.State{}, `
The node's own NAT, as of 5s ago: unknown
Neighbours see the node at UDP unknown, TCP unknown
Relays: -
`},
		{"all there is", punch.State{
			Belief: punch.AddressDependent, Observed: netip.MustParseAddrPort("1.2.3.4:5"), Relays: []enode.ID{{0xab}, {0xcd}},
			Calls: map[string]uint64{"silent": 2, "linked": 30, "busy": 2}, Rung: map[string]uint64{"linked": 1}, Relayed: 4, Refused: 5,
		}, `
The node's own NAT, as of 5s ago: address-dependent
Neighbours see the node at UDP 1.2.3.4:5, TCP unknown
Relays: ab00000000000000 cd00000000000000
CALLS         RESULT   NUMBER
made          linked   30
made          busy     2
made          silent   2
received      linked   1
relayed                4
over a limit  refused  5
`},
	} {
		r := reachability{Found: []nat.Found{}, off: true, Node: &node.NATStatus{Written: now.Add(-5 * time.Second), HolePunching: &tt.state}}
		var b strings.Builder
		r.print(&b, now)
		if _, got, _ := strings.Cut(b.String(), "\n"); got != tt.want {
			t.Errorf("%s: got\n%s\nwant\n%s", tt.name, got, tt.want)
		}
	}
}

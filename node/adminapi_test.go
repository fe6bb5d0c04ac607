package node_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/rpc"

	"github.com/troupe-p2p/troupe/actors/actortest"
	"github.com/troupe-p2p/troupe/node"
	"github.com/troupe-p2p/troupe/node/nodetest"
	"github.com/troupe-p2p/troupe/node/nodetest/fixture"
	"github.com/troupe-p2p/troupe/protocols"
)

// attach returns a client of the admin API that is closed when the test ends.
func attach(t testing.TB, n *node.Node) *rpc.Client {
	t.Helper()
	c, err := n.Attach()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// call makes one call and returns its result.
func call[T any](t testing.TB, c *rpc.Client, method string, params ...any) (result T) {
	t.Helper()
	if err := c.CallContext(t.Context(), &result, method, params...); err != nil {
		t.Fatalf("%s: %v", method, err)
	}
	return result
}

// refused makes a call that must fail with an error that contains words.
func refused(t testing.TB, c *rpc.Client, words, method string, params ...any) {
	t.Helper()
	err := c.CallContext(t.Context(), nil, method, params...)
	var answer rpc.Error
	if !errors.As(err, &answer) || !strings.Contains(err.Error(), words) {
		t.Errorf("%s %v: %v, want an error with %q", method, params, err, words)
	}
}

// TestProtocolsByTheAdminAPI: the admin API adds and removes protocols of a running node, and
// links get and lose them.
func TestProtocolsByTheAdminAPI(t *testing.T) {
	c := nodetest.New(t, 2, func(_ int, cfg *node.Config) {
		cfg.Specs = []protocols.Spec{greetSpec("greet")}
		cfg.Admin.Available = []protocols.Spec{greetSpec("extra")}
	})
	clients := []*rpc.Client{attach(t, c.Nodes[0]), attach(t, c.Nodes[1])}
	url := c.Nodes[1].URL()
	runs := func() string {
		peers := call[[]struct{ Running []string }](t, clients[0], "admin_peers")
		if len(peers) == 0 {
			return "no peer"
		}
		return strings.Join(peers[0].Running, " ")
	}
	relink := func(want string) {
		t.Helper()
		call[bool](t, clients[0], "admin_removePeer", url)
		c.Await("the end of the link", func() bool { return !c.Linked(0, 1) && c.Nodes[1].PeerCount() == 0 })
		call[bool](t, clients[0], "admin_addPeer", url)
		c.Await("a link that runs "+want, func() bool { return runs() == want })
	}
	relink("greet/1")
	for _, client := range clients {
		if !call[bool](t, client, "admin_addProtocol", "extra") {
			t.Error("the protocol was not added")
		}
	}
	if got := runs(); got != "greet/1" {
		t.Errorf("the existing link runs %s, want greet/1", got)
	}
	relink("extra/1 greet/1")
	protocols := func() string { return string(call[json.RawMessage](t, clients[0], "admin_protocols")) }
	if got := protocols(); got != `[{"name":"greet","versions":[1],"offered":true,"links":1},{"name":"extra","versions":[1],"offered":true,"links":1}]` {
		t.Error(got)
	}
	call[bool](t, clients[0], "admin_removeProtocol", "extra", 1)
	if got := protocols(); !strings.Contains(got, `"extra","versions":[1],"offered":false,"links":1}`) {
		t.Errorf("protocols %s, want extra not offered and on one link", got)
	}
	relink("greet/1")

	// A link that runs only the removed protocol ends.
	call[bool](t, clients[0], "admin_addProtocol", "extra")
	call[bool](t, clients[0], "admin_removeProtocol", "greet/1")
	c.Await("another link", func() bool { return runs() == "extra/1" })

	refused(t, clients[0], "runs already", "admin_addProtocol", "extra")
	refused(t, clients[0], "known protocols: greet, extra", "admin_addProtocol", "eth")
	refused(t, clients[0], "no protocol", "admin_removeProtocol", "greet")
	refused(t, clients[0], "offered versions: [1]", "admin_removeProtocol", "extra", 2)
	refused(t, clients[0], "offered versions: [1]", "admin_removeProtocol", "extra/2")
	refused(t, clients[0], "not a number", "admin_removeProtocol", "extra/x")
}

func TestPeersByTheAdminAPI(t *testing.T) {
	spec := greetSpec("greet")
	spec.PeerInfo = func(*protocols.Link) any { return math.NaN() } // not encodable as JSON
	spec.NodeInfo = func() any { return map[string]int{"greetings": 3} }
	c := nodetest.New(t, 2, func(_ int, cfg *node.Config) { cfg.Specs = []protocols.Spec{spec, greetSpec("other")} })
	client, other := attach(t, c.Nodes[0]), c.Nodes[1]
	type event struct {
		Type, Peer, Error, Side, Reason, Name string
		Inbound                               bool
	}
	events := make(chan event, 10)
	sub, err := client.Subscribe(t.Context(), "admin", events, "peerEvents")
	if err != nil {
		t.Fatal(err)
	}
	defer sub.Unsubscribe()
	next := func(kind string) event {
		t.Helper()
		for {
			select {
			case e := <-events:
				if e.Type == kind {
					return e
				}
			case err := <-sub.Err():
				t.Fatalf("no %s: %v", kind, err)
			}
		}
	}
	if !call[bool](t, client, "admin_addTrustedPeer", other.URL()) || !call[bool](t, client, "admin_addPeer", other.URL()) {
		t.Error("the peer was not added")
	}
	if e := next("add"); e.Peer != other.ID().String() || e.Inbound || e.Name == "" {
		t.Errorf("%+v", e)
	}
	peer := call[[]map[string]any](t, client, "admin_peers")[0]
	network := peer["network"].(map[string]any)
	for what, ok := range map[string]bool{
		"id":        peer["id"] == other.ID().String(),
		"name":      peer["name"] == other.Info().Name,
		"caps":      fmt.Sprint(peer["caps"]) == "[greet/1 other/1]" && fmt.Sprint(peer["running"]) == "[greet/1 other/1]",
		"enode":     strings.HasPrefix(peer["enode"].(string), "enode://"),
		"network":   network["inbound"] == false && network["static"] == true && network["trusted"] == true && network["remoteAddress"] != "",
		"protocols": fmt.Sprint(peer["protocols"]) == "map[greet:unknown other:unknown]",
		"ours":      peer["connected"] != nil && peer["rttMs"] != nil && peer["traffic"] != nil,
	} {
		if !ok {
			t.Errorf("%s of %v", what, peer)
		}
	}
	if got := call[string](t, client, "net_peerCount"); got != "0x1" {
		t.Errorf("peer count %s, want 0x1", got)
	}
	if !call[bool](t, client, "admin_removeTrustedPeer", other.ID().String()) || !call[bool](t, client, "admin_removePeer", other.ID().String()) {
		t.Error("the peer was not removed")
	}
	if e := next("drop"); e.Side != "local" || e.Reason == "" || !strings.Contains(e.Error, e.Reason) {
		t.Errorf("%+v", e)
	}
	c.Await("the end of the link", func() bool { return len(call[[]any](t, client, "admin_peers")) == 0 })

	info := call[map[string]any](t, client, "admin_nodeInfo")
	if info["id"] != c.Nodes[0].ID().String() || info["enode"] != c.Nodes[0].URL() || info["enr"] != c.Nodes[0].Self().String() ||
		info["ip"] != c.Host(0).String() || fmt.Sprint(info["ports"]) != "map[discovery:0 listener:30303]" ||
		fmt.Sprint(info["protocols"]) != "map[greet:map[greetings:3] other:unknown]" || info["listenAddr"] != c.Host(0).String()+":30303" {
		t.Errorf("node info %v", info)
	}
	refused(t, client, "address", "admin_addPeer", strings.Split(other.URL(), "@")[0])
	refused(t, client, "want a node's URL", "admin_removePeer", "192.0.2.1")
	refused(t, client, "trusted", "admin_addTrustedPeer", "nobody")
	refused(t, client, "no NAT information", "admin_nat")
}

func TestBansByTheAdminAPI(t *testing.T) {
	n := startNode(t, nil)
	client := attach(t, n)
	stranger, near := strings.Repeat("ab", 32), strings.Repeat("ab", 31)+"00"
	for _, params := range [][]any{{"192.0.2.1"}, {"198.51.100.0/24", 7200, "too loud"}, {stranger, "90m"}} {
		if !call[bool](t, client, "admin_ban", params...) {
			t.Errorf("%v: not banned", params)
		}
	}
	bans := map[string]string{}
	for _, b := range call[[]node.Ban](t, client, "admin_bans") {
		bans[b.Target.String()] = fmt.Sprint(b.Until.Sub(b.Since), ", ", b.Reason)
	}
	want := map[string]string{
		"192.0.2.1": "24h0m0s, by the operator", "198.51.100.0/24": "2h0m0s, too loud", stranger: "1h30m0s, by the operator",
	}
	if fmt.Sprint(bans) != fmt.Sprint(want) {
		t.Errorf("bans %v, want %v", bans, want)
	}
	if !call[bool](t, client, "admin_unban", "192.0.2.1") || call[bool](t, client, "admin_unban", "192.0.2.1") {
		t.Error("the ban was not lifted, or lifted twice")
	}
	if !call[bool](t, client, "admin_ban", "ABAB", "2h") || !call[bool](t, client, "admin_ban", near) {
		t.Error("not banned by the beginning of an ID")
	}
	refused(t, client, "several IDs begin so", "admin_unban", "abab")
	if !call[bool](t, client, "admin_unban", stranger[:63]) || len(n.Bans()) != 2 {
		t.Errorf("bans %v, want the one on the stranger lifted", n.Bans())
	}
	refused(t, client, "no peer and no banned node", "admin_ban", "cdcd")
	refused(t, client, "want a node", "admin_ban", "aba")
	refused(t, client, "it is this node itself", "admin_ban", n.ID().String())
	refused(t, client, "1025 bytes", "admin_ban", "192.0.2.1", 60, strings.Repeat("x", 1025))
	refused(t, client, "want a node", "admin_ban", "nonsense")
	refused(t, client, "at least a second", "admin_ban", "192.0.2.1", 0)
	refused(t, client, "length of time", "admin_ban", "192.0.2.1", 1e300)
	refused(t, client, "length of time", "admin_ban", "192.0.2.1", []int{1})
	refused(t, client, "invalid duration", "admin_ban", "192.0.2.1", "soon")
}

// clock is a service of an embedding program.
type clock struct{}

// Hour is clock_hour.
func (clock) Hour() int { return 12 }

// TestNamespaces: a node serves its own namespaces, those of protocols while they run, and those
// of the program that embeds it.
func TestNamespaces(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(filepath.Dir(dir))
	socket, err := os.MkdirTemp("", "ipc")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(socket) })
	spec := greetSpec("extra")
	spec.API = clock{}
	n := startNode(t, func(c *node.Config) {
		c.DataDir = filepath.Base(dir)
		c.Admin = node.Admin{
			IPC: filepath.Join(socket, "s"), APIs: []node.API{{Namespace: "clock", Service: clock{}}}, Available: []protocols.Spec{spec},
			HTTP: &node.AdminHTTP{Addr: "127.0.0.1:0", HTTP: true},
		}
	})
	modules := func(url string) string {
		t.Helper()
		c, err := rpc.DialContext(t.Context(), url)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		list, err := c.SupportedModules()
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprint(list)
	}
	ipc := filepath.Join(socket, "s")
	if got := modules(ipc); got != "map[admin:1.0 clock:1.0 net:1.0 rpc:1.0 web3:1.0]" {
		t.Error(got)
	}
	if got := modules("http://" + n.AdminAddr()); got != "map[net:1.0 rpc:1.0 web3:1.0]" {
		t.Errorf("by HTTP: %s", got)
	}
	client := attach(t, n)
	if got := call[int](t, client, "clock_hour"); got != 12 {
		t.Errorf("hour %d", got)
	}
	if call[string](t, client, "admin_datadir") != dir || call[string](t, client, "web3_clientVersion") != t.Name() || !call[bool](t, client, "net_listening") {
		t.Error("datadir, clientVersion or listening is wrong")
	}
	if got := call[string](t, client, "web3_sha3", "0x"); got != "0x"+fmt.Sprintf("%x", crypto.Keccak256(nil)) {
		t.Errorf("sha3 %s", got)
	}
	call[bool](t, client, "admin_addProtocol", "extra")
	actortest.Eventually(t, "namespace extra", func() bool { return strings.Contains(modules(ipc), "extra:") })
	call[bool](t, client, "admin_removeProtocol", "extra")
	actortest.Eventually(t, "no namespace extra", func() bool { return !strings.Contains(modules(ipc), "extra:") })

	nodetest.Stop(t, n)
	if _, err := os.Stat(ipc); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket of the stopped node still exists: %v", err)
	}
}

func TestAdminConfigIsChecked(t *testing.T) {
	for words, admin := range map[string]node.Admin{
		"given twice":    {Available: []protocols.Spec{greetSpec("greet")}},
		"New is":         {Available: []protocols.Spec{{Name: "x"}}},
		"already in use": {APIs: []node.API{{Namespace: "admin", Service: clock{}}}},
		"any suitable":   {APIs: []node.API{{Namespace: "x", Service: struct{}{}}}},
		"HTTP address":   {HTTP: &node.AdminHTTP{HTTP: true}},
		"neither HTTP":   {HTTP: &node.AdminHTTP{Addr: ":0"}},
		"any host":       {HTTP: &node.AdminHTTP{Addr: ":0", HTTP: true, Namespaces: []string{"admin"}, Hosts: []string{"*"}}},
		"no service":     {APIs: []node.API{{Namespace: "x"}}},
		"underscore":     {APIs: []node.API{{Namespace: "x_y", Service: clock{}}}},
	} {
		if _, err := node.New(node.Config{Key: fixture.Key(t), Specs: []protocols.Spec{greetSpec("greet")}, Admin: admin}); err == nil || !strings.Contains(err.Error(), words) {
			t.Errorf("%q: %v", words, err)
		}
	}
	spec := greetSpec("net")
	spec.API = clock{}
	if err := startNode(t, nil).AddProtocol(spec); err == nil || !strings.Contains(err.Error(), "already in use") {
		t.Errorf("a protocol with a namespace of the node's: %v", err)
	}
}

// TestStartFailsWithoutItsSocket: Start fails if a socket can't be opened, and leaves nothing
// open.
func TestStartFailsWithoutItsSocket(t *testing.T) {
	cfg := node.Config{
		Key: fixture.Key(t), Specs: []protocols.Spec{greetSpec("greet")}, Listen: []netip.AddrPort{nodetest.Loopback},
		Admin: node.Admin{HTTP: &node.AdminHTTP{Addr: "0.0.0.0:0", HTTP: true, Namespaces: []string{"admin"}}},
	}
	n, err := node.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := n.Start(context.Background()); err == nil || !strings.Contains(err.Error(), "loopback") {
		t.Errorf("start: %v", err)
	}
}

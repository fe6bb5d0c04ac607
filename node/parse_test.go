package node_test

import (
	"errors"
	"fmt"
	"os/user"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/crypto"

	"github.com/troupe-p2p/troupe/node"
	"github.com/troupe-p2p/troupe/node/nodetest/fixture"
)

func TestParseNodes(t *testing.T) {
	id := fmt.Sprintf("%x", crypto.FromECDSAPub(&fixture.Key(t).PublicKey)[1:])
	n := startNode(t, nil)
	record := n.Self().String()
	tests := []struct {
		list   string
		nodes  int  // -1: error
		static bool // also valid as a static node
	}{
		{"", 0, true},
		{" , ", 0, true},
		{"enode://" + id + "@192.0.2.1:30303", 1, true},
		{"enode://" + id + "@[2001:db8::1]:30303?discport=30301", 1, true},
		{"enode://" + id + "@node.example:30303", 1, true},
		{record + " , enode://" + id + "@192.0.2.1:1", 2, true},
		{"enode://" + id, 1, false},
		{"enode://" + id + "@192.0.2.1:0", 1, false},
		{"enode://00@192.0.2.1:30303", -1, false},
		{"http://node.example", -1, false},
		{record[:len(record)-1] + "!", -1, false},
	}
	for _, tt := range tests {
		nodes, err := node.ParseNodes(tt.list)
		if (err != nil) != (tt.nodes < 0) || err == nil && len(nodes) != tt.nodes {
			t.Errorf("%q: %v, %v; want %d nodes", tt.list, nodes, err, tt.nodes)
		}
		_, err = node.ParseStaticNodes(tt.list)
		if (err == nil) != tt.static {
			t.Errorf("%q as static nodes: %v", tt.list, err)
		}
		if tt.nodes > 0 && !tt.static && !errors.Is(err, node.ErrNoAddress) {
			t.Errorf("%q as static nodes: %v, want %v", tt.list, err, node.ErrNoAddress)
		}
	}
	nodes, err := node.ParseNodes("enode://" + id + "@192.0.2.1:30303?discport=30301")
	if err != nil || nodes[0].TCP() != 30303 || nodes[0].UDP() != 30301 {
		t.Errorf("discport: %v, %v", nodes, err)
	}
}

// TestExpandPath has the values of go-ethereum's test of its expandPath, and the empty path.
func TestExpandPath(t *testing.T) {
	t.Setenv("HOME", "/home/someuser")
	t.Setenv("DDDXXX", "/tmp")
	for path, want := range map[string]string{
		"":                    "",
		"/home/someuser/tmp":  "/home/someuser/tmp",
		"~/tmp":               "/home/someuser/tmp",
		"~thisOtherUser/b/":   "~thisOtherUser/b",
		"$DDDXXX/a/b":         "/tmp/a/b",
		"${DDDXXX}/a/b":       "/tmp/a/b",
		"/a/b/":               "/a/b",
		"/a/../c":             "/c",
		"a/~/b":               "a/~/b",
		"~":                   "~",
		"~/$DDDXXX/../x/./~/": "/home/someuser/x/~",
	} {
		if got := node.ExpandPath(path); got != want {
			t.Errorf("%q expands to %q, want %q", path, got, want)
		}
	}
	if got := node.DefaultDataDir(); got != "/home/someuser/.troupe" {
		t.Errorf("default data directory %q", got)
	}
	t.Setenv("HOME", "") // as in many service files
	if u, err := user.Current(); err == nil && u.HomeDir != "" {
		if got, want := node.ExpandPath("~/x"), filepath.Join(u.HomeDir, "x"); got != want {
			t.Errorf("without HOME, ~/x expands to %q, want %q", got, want)
		}
	}
}

func TestParseFlags(t *testing.T) {
	tests := []struct {
		what  string
		parse func(string) (string, error)
		in    string
		want  string // empty: error
	}{
		{"networks", networks, "10.1.2.3/8, 2001:db8::/32", "[10.0.0.0/8 2001:db8::/32]"},
		{"networks", networks, "", "[]"},
		{"networks", networks, "::ffff:127.0.0.0/104,::/0", "[127.0.0.0/8 ::/0]"},
		{"networks", networks, "::ffff:10.0.0.0/90", ""},
		{"networks", networks, "10.0.0.0", ""},
		{"listen", listen, "", "[invalid AddrPort]"},
		{"listen", listen, "127.0.0.1,::1", "[127.0.0.1:30303 [::1]:30303]"},
		{"listen", listen, "::ffff:127.0.0.1", "[127.0.0.1:30303]"},
		{"listen", listen, "localhost", ""},
	}
	for _, tt := range tests {
		got, err := tt.parse(tt.in)
		if tt.want == "" && err == nil || tt.want != "" && (err != nil || got != tt.want) {
			t.Errorf("%s %q: %s, %v; want %q", tt.what, tt.in, got, err, tt.want)
		}
		if err != nil && tt.in != "" && !strings.Contains(err.Error(), tt.in) {
			t.Errorf("%s %q: the error does not quote the input: %v", tt.what, tt.in, err)
		}
	}
	for _, port := range []int{-1, 65536} {
		if _, err := node.ParseListen("", port); err == nil {
			t.Errorf("ParseListen accepted port %d", port)
		}
	}
}

func networks(s string) (string, error) {
	p, err := node.ParseNetworks(s)
	return fmt.Sprint(p), err
}

func listen(s string) (string, error) {
	a, err := node.ParseListen(s, 30303)
	return fmt.Sprint(a), err
}

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/urfave/cli/v3"
)

// TestFlagsOfGoEthereum compares the flags that go-ethereum v1.17.10 has, too, with its
// cmd/utils/flags.go and internal/debug/flags.go: type, default and aliases. docs/admin.md lists the
// deliberate differences, which are noted here.
func TestFlagsOfGoEthereum(t *testing.T) {
	type flag struct {
		kind, value string
		aliases     []string
	}
	want := map[string]flag{
		"datadir":         {"path", "~/.troupe", nil}, // ~/.ethereum
		"nodekey":         {"path", "", nil},          // a string, which is not expanded
		"nodekeyhex":      {"string", "", nil},
		"identity":        {"string", "", nil},
		"port":            {"int", "30303", nil},
		"nat":             {"string", "any", nil},
		"nodiscover":      {"bool", "false", nil},
		"bootnodes":       {"string", "", nil},
		"discovery.v4":    {"bool", "true", []string{"discv4"}},
		"discovery.v5":    {"bool", "true", []string{"discv5"}},
		"discovery.port":  {"int", "0", nil}, // 30303; both take that of --port if the flag is not set
		"discovery.dns":   {"string", "", nil},
		"maxpeers":        {"int", "50", nil},
		"maxpendpeers":    {"int", "50", nil}, // 0, which stands for 50
		"netrestrict":     {"string", "", nil},
		"verbosity":       {"int", "3", nil},
		"log.format":      {"string", "text", nil}, // empty, which stands for terminal
		"ipcdisable":      {"bool", "false", nil},
		"ipcpath":         {"path", "node.ipc", nil}, // geth.ipc
		"http":            {"bool", "false", nil},
		"http.addr":       {"string", "127.0.0.1", nil}, // localhost, for which it takes 127.0.0.1
		"http.port":       {"int", "8545", nil},
		"http.api":        {"string", "net,web3", nil},
		"http.corsdomain": {"string", "", nil},
		"http.vhosts":     {"string", "localhost", nil},
		"ws":              {"bool", "false", nil},
		"ws.origins":      {"string", "", nil},
	}
	own := []string{"addr", "nopunch", "punch.private", "network", "staticnodes", "trustednodes", "protocols", "chaos.kill"}
	t.Setenv("HOME", "~")
	for _, f := range flags() {
		name := f.Names()[0]
		if slices.Contains(own, name) {
			continue
		}
		got := flag{aliases: f.Names()[1:]}
		switch f := f.(type) {
		case *pathFlag:
			got.kind, got.value = "path", f.Value
		case *cli.StringFlag:
			got.kind, got.value = "string", f.Value
		case *cli.IntFlag:
			got.kind, got.value = "int", fmt.Sprint(f.Value)
		case *cli.BoolFlag:
			got.kind, got.value = "bool", fmt.Sprint(f.Value)
		}
		if w, ok := want[name]; !ok {
			t.Errorf("--%s is neither compared with go-ethereum's nor Troupe's own", name)
		} else if got.kind != w.kind || got.value != w.value || !slices.Equal(got.aliases, w.aliases) {
			t.Errorf("--%s is %+v, want %+v", name, got, w)
		}
		delete(want, name)
	}
	for name := range want {
		t.Errorf("there is no --%s", name)
	}
}

// TestPathsAreExpanded: the home directory and the environment are expanded in the paths of all
// flags, because shells leave them as they are after =, and service files everywhere.
func TestPathsAreExpanded(t *testing.T) {
	home, work := t.TempDir(), t.TempDir()
	t.Chdir(work)
	t.Setenv("HOME", home)
	t.Setenv("NAME", "third")
	for _, tt := range []struct {
		args []string
		file string // in the home directory
	}{
		{[]string{"--datadir=~/first", "key", "generate"}, "first/nodekey"},
		{[]string{"key", "generate", "--nodekey=~/second/key"}, "second/key"},
		{[]string{"key", "generate", "--datadir=$HOME/${NAME}/."}, "third/nodekey"},
	} {
		if code, _, errs := shell(nil, tt.args...); code != exitOK {
			t.Errorf("%q: exit code %d, %q", tt.args, code, errs)
		}
		if _, err := os.Stat(filepath.Join(home, tt.file)); err != nil {
			t.Errorf("%q: %v", tt.args, err)
		}
	}
	for args, want := range map[string]string{
		"--ipcpath=~/socket.ipc peers":                                            filepath.Join(home, "socket.ipc"),
		"--datadir=~/x --ipcpath=bare.ipc peers":                                  filepath.Join(home, "x", "bare.ipc"),
		"--datadir=~/x peers":                                                     filepath.Join(home, "x", "node.ipc"),
		"crawl --network none --db=~/no/crawl.db":                                 filepath.Join(home, "no"),
		"--port 0 --protocols eth --eth.genesis=~/genesis.json":                   filepath.Join(home, "genesis.json"),
		"--port 0 --network sepolia --protocols eth --eth.history=~/a.era1,/none": filepath.Join(home, "a.era1"),
		"new-protocol --troupe=~/none x y":                                        filepath.Join(home, "none"),
	} {
		if code, _, errs := shell(nil, strings.Fields(args)...); code == exitOK || !strings.Contains(errs, want) {
			t.Errorf("%s: exit code %d, %q; want an error about %s", args, code, errs, want)
		}
	}
	if left, err := os.ReadDir(work); err != nil || len(left) > 0 {
		t.Errorf("left in the working directory: %v, %v", left, err)
	}
}

// TestLogFormats: go-ethereum's names of formats are accepted.
func TestLogFormats(t *testing.T) {
	for _, format := range []string{"text", "terminal", "logfmt", "json"} {
		if _, err := logFormat(format, 0, false); err != nil {
			t.Error(err)
		}
	}
}

package node_test

import (
	"fmt"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/troupe-p2p/troupe"

// packages has, by import path below the module, the packages of the module that a package
// imports (direct) or depends on in any way. Imports of tests do not count.
type packages map[string]struct{ direct, all []string }

// arrow forbids the packages that from matches to depend on the packages that to matches.
type arrow struct {
	why      string
	from, to func(pkg string) bool
	direct   bool // only direct imports are forbidden
}

func is(list ...string) func(string) bool {
	return func(pkg string) bool { return slices.Contains(list, pkg) }
}

func but(match func(string) bool, list ...string) func(string) bool {
	return func(pkg string) bool { return match(pkg) && !slices.Contains(list, pkg) }
}

func below(folder string) func(string) bool {
	return func(pkg string) bool { return strings.HasPrefix(pkg, folder+"/") }
}

func anyPackage(pkg string) bool { return pkg != "" }

// aboveNode are the packages below node/ that use whole nodes.
var aboveNode = []string{
	"node/nodetest", "node/devnet", "node/crawl", "node/torture", "node/interop", "node/hostile", "node/load", "node/storm", "node/natlab",
}

// forbidden are the arrows that must never be. ARCHITECTURE.md says why.
var forbidden = []arrow{
	{"a part of the node gets a Config, never the node", but(below("node"), aboveNode...), is("node"), false},
	{"setup is below dial", is("node/setup"), is("node/dial"), false},
	{"peers is below setup", is("node/peers"), is("node/dial", "node/setup"), false},
	{"bans and offer are below peers", is("node/bans", "node/offer"), is("node/dial", "node/setup", "node/peers"), false},
	{"refusal is below bans and offer", is("node/refusal"), is("node/dial", "node/setup", "node/peers", "node/bans", "node/offer"), false},
	{"these know addresses and packets, not peers", is("node/discovery", "node/punch", "node/record", "node/listen", "nat"), is("node/dial", "node/setup", "node/peers"), false},
	{"these are leaves", is("wire", "nat/netaddr", "nat/stun", "actors/supervise", "node/datadir", "node/asynclog"), anyPackage, false},
	{"the NAT actor is a package of its own", is("nat"), but(anyPackage, "actors/supervise", "nat/netaddr", "nat/stun"), false},
	{"a link knows nothing above it", is("actors"), but(anyPackage, "actors/supervise", "wire"), false},
	{"the kit knows links alone", is("protocols"), but(anyPackage, "actors", "actors/supervise", "wire"), false},
	{"a protocol uses the kit alone", protocol, but(anyPackage, "protocols"), true},
	{"a protocol needs no node", protocol, but(anyPackage, "protocols", "actors", "actors/supervise", "wire"), false},
	{"the rules of a protocol need no kit", partOfProtocol, is("protocols"), false},
}

// protocol matches protocols/X, except the test kit.
func protocol(pkg string) bool {
	return strings.Count(pkg, "/") == 1 && below("protocols")(pkg) && pkg != "protocols/protocoltest"
}

// partOfProtocol matches protocols/X/Y.
func partOfProtocol(pkg string) bool { return strings.Count(pkg, "/") > 1 && below("protocols")(pkg) }

// check lists the forbidden arrows of a set of packages.
func (p packages) check(forbidden []arrow) (found []string) {
	for pkg, imports := range p {
		for _, a := range forbidden {
			if !a.from(pkg) {
				continue
			}
			deps := imports.all
			if a.direct {
				deps = imports.direct
			}
			for _, dep := range deps {
				if dep != pkg && a.to(dep) && !(protocol(pkg) && below(pkg)(dep)) {
					found = append(found, fmt.Sprintf("%s depends on %s: %s", pkg, dep, a.why))
				}
			}
		}
	}
	slices.Sort(found)
	return found
}

// TestArrows checks the imports of the whole module.
func TestArrows(t *testing.T) {
	cmd := exec.Command("go", "list", "-f", "{{.ImportPath}}|{{join .Imports \" \"}}|{{join .Deps \" \"}}", "./...")
	cmd.Dir = ".."
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	all := packages{}
	for line := range strings.Lines(string(out)) {
		fields := strings.Split(strings.TrimSpace(line), "|")
		p := all[""]
		p.direct, p.all = ours(fields[1]), ours(fields[2])
		for _, pkg := range ours(fields[0]) {
			all[pkg] = p
		}
	}
	for _, must := range []string{"wire", "actors", "nat", "protocols/shh", "node/dial"} {
		if _, ok := all[must]; !ok {
			t.Errorf("go list does not name %s", must)
		}
	}
	for _, found := range all.check(forbidden) {
		t.Error(found)
	}
}

// ours lists the packages of the module among some import paths.
func ours(paths string) (list []string) {
	for _, path := range strings.Fields(paths) {
		if pkg, ok := strings.CutPrefix(path, module+"/"); ok {
			list = append(list, pkg)
		}
	}
	return list
}

// TestArrowsAreSeen: each forbidden arrow is found where it is drawn.
func TestArrowsAreSeen(t *testing.T) {
	for _, tt := range []struct{ from, to string }{
		{"node/dial", "node"}, {"node/setup", "node/dial"}, {"node/peers", "node/setup"}, {"node/bans", "node/peers"},
		{"node/refusal", "node/offer"}, {"node/punch", "node/setup"}, {"node/record", "node/peers"}, {"nat", "node/dial"},
		{"nat", "actors"}, {"nat/stun", "nat"}, {"actors/supervise", "wire"}, {"actors", "node/peers"}, {"wire", "actors"},
		{"protocols", "node"}, {"protocols/shh", "node"}, {"protocols/shh", "protocols/chat"}, {"protocols/shh", "actors"}, {"protocols/eth/chain", "protocols"},
	} {
		p := packages{tt.from: {[]string{tt.to}, []string{tt.to}}}
		if len(p.check(forbidden)) == 0 {
			t.Errorf("%s may depend on %s", tt.from, tt.to)
		}
	}
	fine := packages{}
	for pkg, direct := range map[string]string{
		"node/dial": "node/setup node/peers node/bans node/refusal nat/netaddr", "node/crawl": "node",
		"protocols/eth": "protocols protocols/eth/chain", "protocols/protocoltest": "protocols actors wire",
	} {
		p := fine[pkg]
		p.direct = strings.Fields(direct)
		p.all = append(p.direct, "wire")
		fine[pkg] = p
	}
	for _, found := range fine.check(forbidden) {
		t.Error(found)
	}
}

// ruleFiles have rules and no actor.
var ruleFiles = []string{
	"stopplan.go",
	"memory/rule.go",
	"dial/plan.go", "dial/history.go", "dial/outcome.go", "dial/candidates.go", "dial/resolve.go", "dial/rate.go", "dial/starved.go",
	"peers/room.go", "peers/admission.go", "peers/shares.go", "peers/rotation.go", "peers/known.go",
	"bans/ban.go", "bans/list.go", "bans/reputation.go", "bans/offence.go",
	"setup/slots.go", "record/address.go", "record/record.go", "record/local.go",
	"punch/call_rules.go", "punch/answer_rules.go", "punch/belief.go", "punch/tcp_expect.go",
	"../nat/machine.go", "../nat/lease.go",
}

// TestRulesNeedNoActor: the files with rules do not import protoactor.
func TestRulesNeedNoActor(t *testing.T) {
	for _, file := range ruleFiles {
		f, err := parser.ParseFile(token.NewFileSet(), filepath.FromSlash(file), nil, parser.ImportsOnly)
		if err != nil {
			t.Error(err)
			continue
		}
		for _, spec := range f.Imports {
			if path, err := strconv.Unquote(spec.Path.Value); err != nil || strings.Contains(path, "protoactor") {
				t.Errorf("%s imports %s", file, spec.Path.Value)
			}
		}
	}
}

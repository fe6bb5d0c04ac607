package main

import (
	"encoding/json"
	"flag"
	"io"
	"maps"
	"regexp"
	"strings"
	"testing"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/troupe-p2p/troupe/protocols"
	"github.com/troupe-p2p/troupe/protocols/shh"
)

// withBuiltin runs f with one more built-in protocol.
func withBuiltin(t *testing.T, name string, flags func(*flag.FlagSet), f func()) {
	t.Helper()
	before := builtin
	defer func() { builtin = before }()
	builtin = maps.Clone(before)
	builtin[name] = fixed(func() protocols.Spec {
		fs := flag.NewFlagSet(name, flag.ContinueOnError)
		fs.SetOutput(io.Discard)
		flags(fs)
		return protocols.Spec{
			Name: name, Versions: []protocols.Version{{Number: 1, Length: 1}}, Flags: fs,
			New: func() actor.Actor { return actor.ReceiveFunc(func(actor.Context) {}) },
		}
	})
	f()
}

// TestProtocolFlagsInHelp: the help shows each flag of each protocol with its placeholder and
// its default.
func TestProtocolFlagsInHelp(t *testing.T) {
	withBuiltin(t, "tea", func(fs *flag.FlagSet) {
		fs.Int("tea.cups", 3, "`NUMBER` of cups")
		fs.Bool("tea.milk", false, "add milk")
		fs.Bool("tea.sugar", true, "add sugar")
		fs.String("tea.sort", "", "`NAME` of the sort")
	}, func() {
		for _, args := range [][]string{{"--help"}, {"run", "--help"}} {
			code, out, _ := shell(nil, args...)
			for _, want := range []string{
				`--shh\.pow POW +minimum proof .*\(default: 0\.2\)\n`, `--shh\.light  +relay only messages that are posted on this node\n`,
				`--shh\.maxmessagesize BYTES +maximum size .*\(default: 1048576\)\n`,
				`--tea\.cups NUMBER +NUMBER of cups \(default: 3\)\n`, `--tea\.milk  +add milk\n`,
				`--tea\.sugar  +add sugar \(default: true\)\n`, `--tea\.sort NAME +NAME of the sort\n`,
			} {
				if code != exitOK || !regexp.MustCompile(want).MatchString(out) {
					t.Errorf("%q: exit code %d; the help does not match %s:\n%s", args, code, want, out)
				}
			}
		}
	})
}

// TestProtocolFlagErrors: they are reported together with those of the node's own flags.
func TestProtocolFlagErrors(t *testing.T) {
	code, _, errs := shell(nil, "run", "--datadir", t.TempDir(), "--port", "70000", "--shh.pow", "-1", "--shh.maxmessagesize", "much", "--shh.light=perhaps", "--shh.poolbytes", "0")
	want := `node: --port 70000: want 0 to 65535
--shh.light "perhaps": invalid syntax
--shh.maxmessagesize "much": invalid syntax
--shh.poolbytes "0": want 1 to 2147483647
--shh.pow "-1": PoW requirement of -1, want a finite number that is not negative
`
	if code != exitUsage || errs != want {
		t.Errorf("exit code %d, want %d;\n%s\nwant\n%s", code, exitUsage, errs, want)
	}
	if code, _, errs := shell(nil, "run", "--shh.tea", "1"); code != exitUsage || !strings.Contains(errs, "shh.tea") {
		t.Errorf("an unknown flag: exit code %d, %s", code, errs)
	}
}

// TestUnusedProtocolFlags: a flag of a protocol that cannot run is an error, and one of a protocol that
// does not run is in the log, until the protocol is added.
func TestUnusedProtocolFlags(t *testing.T) {
	for args, want := range map[string]string{
		"--network none --eth.history /h --eth.upload 5":      "node: --eth.history: protocol eth cannot run: network \"none\" has no known chain: want one of [mainnet sepolia hoodi], or a genesis file (--eth.genesis)\n--eth.upload: protocol eth cannot run",
		"--network none --protocols chat --eth.rpc http://h":  "--eth.rpc: protocol eth cannot run",
		"--network none --protocols eth --eth.rpc http://h":   "--protocols: protocol eth: network \"none\" has no known chain",
		"--network none --eth.versions 67 --shh.poolbytes 5G": "--shh.poolbytes \"5G\": ",
	} {
		code, _, errs := shell(nil, append([]string{"run", "--datadir", t.TempDir()}, strings.Fields(args)...)...)
		if code != exitUsage || !strings.Contains(errs, want) {
			t.Errorf("%s: exit %d, %s", args, code, errs)
		}
	}
	const warning = "flags have no effect: their protocol is not in --protocols"
	for args, want := range map[string]string{
		"--protocols chat --eth.upload 5 --eth.upload.peer 6": "protocol=eth flags=--eth.upload,--eth.upload.peer",
		"--network none --shh.light":                          "protocol=shh flags=--shh.light",
		"--protocols shh --shh.light":                         "",
		"--protocols eth --network sepolia --eth.upload 5":    "",
	} {
		p := start(t, strings.Fields(args)...)
		if log := p.log(); strings.Contains(log, warning) != (want != "") || !strings.Contains(log, want) {
			t.Errorf("%s: log %s", args, log)
		}
	}
}

// TestProtocolFlagsCollide: a protocol can't take a flag of the node's, or one without its prefix.
func TestProtocolFlagsCollide(t *testing.T) {
	for protocol, c := range map[string]struct{ flag, says string }{
		"http": {"http.port", "protocol http: flag --http.port is a flag of the program"},
		"tea":  {"port", `protocol tea: flag "port": the name must begin with "tea."`},
	} {
		withBuiltin(t, protocol, func(fs *flag.FlagSet) { fs.Int(c.flag, 0, "") }, func() {
			if code, _, errs := shell(nil, "run"); code != exitFailed || !strings.Contains(errs, c.says) {
				t.Errorf("%s: exit code %d, %s", c.flag, code, errs)
			}
		})
	}
}

// TestProtocolFlagsReachTheProtocol: whether it runs from the start or is added later.
func TestProtocolFlagsReachTheProtocol(t *testing.T) {
	for _, running := range []string{"shh", "chat"} {
		dir := t.TempDir()
		start(t, "--datadir", dir, "--protocols", running, "--shh.pow", "0.5", "--shh.maxmessagesize", "2048", "--shh.light")
		if running != "shh" {
			at(t, dir, "protocol", "add", "shh")
			awaitOutput(t, dir, `"shh"`, "admin", "rpc_modules")
		}
		var info shh.Info
		if err := json.Unmarshal([]byte(at(t, dir, "admin", "shh_info")), &info); err != nil || info.MinPow != 0.5 || info.MaxMessageSize != 2048 {
			t.Errorf("shh_info: %+v, %v", info, err)
		}
	}
}

package main

import (
	"context"
	"crypto/ecdsa"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"os"
	"slices"
	"strings"

	"github.com/ethereum/go-ethereum/crypto"
	"github.com/urfave/cli/v3"
	"golang.org/x/term"

	"github.com/troupe-p2p/troupe/nat"
	"github.com/troupe-p2p/troupe/node"
	"github.com/troupe-p2p/troupe/node/asynclog"
	"github.com/troupe-p2p/troupe/node/discovery"
	"github.com/troupe-p2p/troupe/protocols"
	"github.com/troupe-p2p/troupe/protocols/bench"
)

// builtin has the protocols that --protocols can name.
var builtin = map[string]func() maker{
	"bench": fixed(bench.Spec),
	"chat":  fixed(loggedChat),
	"eth":   ethOf,
	"shh":   fixed(relayedWhispers),
}

// Flags have go-ethereum's names and meanings where go-ethereum has such a flag.
const (
	flagDataDir    = "datadir"
	flagNodeKey    = "nodekey"
	flagNodeKeyHex = "nodekeyhex"
	flagIdentity   = "identity"
	flagAddr       = "addr"
	flagPort       = "port"
	flagNAT        = "nat"
	flagNoDiscover = "nodiscover"
	flagNetwork    = "network"
	flagBootnodes  = "bootnodes"
	flagV4         = "discovery.v4"
	flagV5         = "discovery.v5"
	flagDiscPort   = "discovery.port"
	flagDNS        = "discovery.dns"
	flagNoPunch    = "nopunch"
	flagPrivate    = "punch.private"
	flagMaxPeers   = "maxpeers"
	flagMaxPending = "maxpendpeers"
	flagRestrict   = "netrestrict"
	flagStatic     = "staticnodes"
	flagTrusted    = "trustednodes"
	flagProtocols  = "protocols"
	flagVerbosity  = "verbosity"
	flagLogFormat  = "log.format"
	flagChaos      = "chaos.kill"
)

// The verbosity of the log without --verbosity.
const (
	defaultVerbosity = 3 // info
	devnetVerbosity  = 1 // error: many nodes write one log
)

func flags() []cli.Flag {
	const (
		identity   = "IDENTITY"
		networking = "NETWORKING"
		finding    = "DISCOVERY"
		peering    = "PEERS"
		logging    = "LOGGING"
	)
	return append([]cli.Flag{
		&pathFlag{Category: identity, Name: flagDataDir, Usage: "`DIR` for the node key, the node record, the control socket and the data of protocols", Value: node.DefaultDataDir()},
		&pathFlag{Category: identity, Name: flagNodeKey, Usage: "`FILE` with the node key (default: nodekey in the data directory)"},
		&cli.StringFlag{Category: identity, Name: flagNodeKeyHex, Usage: "node key as `HEX` (for testing)"},
		&cli.StringFlag{Category: identity, Name: flagIdentity, Usage: "custom `NAME` to include in the client name"},

		&cli.StringFlag{Category: networking, Name: flagAddr, Usage: "`IP` addresses to listen on, separated by commas (default: all)"},
		&cli.IntFlag{Category: networking, Name: flagPort, Usage: "`PORT` to listen on; 0 chooses one that is free for TCP and UDP", Value: node.DefaultPort},
		&cli.StringFlag{Category: networking, Name: flagNAT, Usage: "`METHOD` by which other nodes reach this one: any, none, upnp, pmp[:IP], pcp[:IP], extip:IP, extip:HOST (a DNS name, looked up every 5 minutes), stun[:HOST:PORT]", Value: "any"},
		&cli.BoolFlag{Category: networking, Name: flagNoPunch, Usage: "disable hole punching through NATs, for this node and for others (hole punching needs discovery v5)"},
		&cli.BoolFlag{Category: networking, Name: flagPrivate, Usage: "allow loopback and private addresses in hole punching"},
		&cli.StringFlag{Category: networking, Name: flagRestrict, Usage: "communicate only with these `NETWORKS` (CIDR masks, separated by commas)"},

		&cli.IntFlag{Category: peering, Name: flagMaxPeers, Usage: "maximum `NUMBER` of peers; 0 admits trusted nodes only. Peers on this machine count only if the flag is set", Value: node.DefaultMaxPeers},
		&cli.IntFlag{Category: peering, Name: flagMaxPending, Usage: "maximum `NUMBER` of connections being set up, in each direction; 0 is the default", Value: node.DefaultMaxPending},
		&cli.StringFlag{Category: finding, Name: flagNetwork, Usage: "`NETWORK` to find peers in: " + strings.Join(discovery.Presets, ", ") + " (without bootnodes and DNS lists)", Value: discovery.Presets[0]},
		&cli.StringFlag{Category: finding, Name: flagBootnodes, Usage: "`NODES` to query first, instead of the network's bootnodes (enode URLs or ENRs, separated by commas)"},
		&cli.BoolFlag{Category: finding, Name: flagV4, Aliases: []string{"discv4"}, Usage: "use discovery v4 (on by default; --discovery.v4=false turns it off)", Value: true},
		&cli.BoolFlag{Category: finding, Name: flagV5, Aliases: []string{"discv5"}, Usage: "use discovery v5 (on by default; --discovery.v5=false turns it off)", Value: true},
		&cli.IntFlag{Category: finding, Name: flagDiscPort, Usage: "UDP `PORT` for discovery", DefaultText: "the same as --port"},
		&cli.StringFlag{Category: finding, Name: flagDNS, Usage: "DNS `LISTS` of nodes to read, instead of the network's lists (enrtree URLs, separated by commas; empty for none)"},
		&cli.BoolFlag{Category: finding, Name: flagNoDiscover, Usage: "disable discovery: do not look for peers, and do not be found"},

		&cli.StringFlag{Category: peering, Name: flagStatic, Usage: "`NODES` to stay connected to (enode URLs or ENRs, separated by commas); the same node at several addresses is dialed at each in turn"},
		&cli.StringFlag{Category: peering, Name: flagTrusted, Usage: "`NODES` to admit even above the maximum (enode URLs or ENRs, separated by commas)"},
		&cli.StringFlag{Category: peering, Name: flagProtocols, Usage: "`NAMES` of the protocols to run, separated by commas: " + strings.Join(builtinNames(), ", "), Value: "eth,chat", DefaultText: "eth,chat; without eth where --network is none"},

		&cli.IntFlag{Category: logging, Name: flagVerbosity, Usage: "`LEVEL` of the log: 0 silent, 1 error, 2 warn, 3 info, 4 debug, 5 trace", Value: defaultVerbosity},
		&cli.StringFlag{Category: logging, Name: flagLogFormat, Usage: "`FORMAT` of the log: text or terminal (for people), logfmt, json", Value: "text"},

		&cli.StringSliceFlag{Name: flagChaos, Hidden: true, Usage: "make actors whose path matches panic at an interval: `GLOB@INTERVAL`"},
	}, adminFlags()...)
}

func builtinNames() []string {
	var names []string
	for name := range builtin {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// configOf translates the flags. All flag errors are reported together.
func (c *catalog) configOf(cmd *cli.Command, log *slog.Logger) (node.Config, error) {
	cfg := node.Config{
		DataDir:    cmd.String(flagDataDir),
		Name:       node.ClientName(cmd.String(flagIdentity)),
		MaxPending: cmd.Int(flagMaxPending),
		Logger:     log,

		HolePunching: node.HolePunching{Off: cmd.Bool(flagNoPunch), Private: cmd.Bool(flagPrivate)},
	}
	if cmd.IsSet(flagMaxPeers) {
		cfg.MaxPeers = cmd.Int(flagMaxPeers)
		if cfg.MaxPeers == 0 {
			cfg.MaxPeers = -1
		}
	}
	var errs [14]error
	errs[13] = errors.Join(notNegative(cmd, flagMaxPeers), notNegative(cmd, flagMaxPending))
	errs[11] = c.set(networkOf(cmd))
	cfg.Discovery, errs[8] = discoveryOf(cmd)
	cfg.Key, errs[0] = givenKey(cmd)
	cfg.Listen, errs[1] = listenOf(cmd)
	cfg.NAT = cmd.String(flagNAT)
	_, errs[2] = nat.Parse(cfg.NAT)
	cfg.NetRestrict, errs[3] = node.ParseNetworks(cmd.String(flagRestrict))
	parse := node.ParseStaticNodes
	if cfg.Discovery != nil && (cfg.Discovery.V4 || cfg.Discovery.V5) {
		parse = node.ParseNodes // discovery finds the nodes without an address
	}
	cfg.StaticNodes, errs[4] = parse(cmd.String(flagStatic))
	cfg.TrustedNodes, errs[5] = node.ParseNodes(cmd.String(flagTrusted))
	cfg.Specs, errs[6] = c.specsOf(cmd.String(flagProtocols), cmd.IsSet(flagProtocols))
	if errs[6] == nil {
		errs[12] = c.checkUsed()
	}
	for _, s := range cmd.StringSlice(flagChaos) {
		chaos, err := node.ParseChaos(s)
		cfg.Chaos = append(cfg.Chaos, chaos)
		errs[7] = errors.Join(errs[7], err)
	}
	errs[9] = exclusive(cmd)
	cfg.Admin, errs[10] = c.adminOf(cmd, cfg.Specs)
	for i, flag := range map[int]string{
		2: flagNAT, 3: flagRestrict, 4: flagStatic, 5: flagTrusted, 6: flagProtocols, 7: flagChaos,
	} {
		if errs[i] != nil {
			errs[i] = fmt.Errorf("--%s: %w", flag, errs[i])
		}
	}
	return cfg, usage(errors.Join(errs[:]...))
}

// listenOf returns the addresses to listen on.
func listenOf(cmd *cli.Command) ([]netip.AddrPort, error) {
	port := cmd.Int(flagPort)
	if port < 0 || port > 1<<16-1 {
		return nil, fmt.Errorf("--%s %d: want 0 to 65535", flagPort, port)
	}
	addrs, err := node.ParseListen(cmd.String(flagAddr), port)
	if err != nil {
		return nil, fmt.Errorf("--%s: %w", flagAddr, err)
	}
	return addrs, nil
}

// notNegative returns an error if the value of a flag is negative.
func notNegative(cmd *cli.Command, flag string) error {
	if n := cmd.Int(flag); n < 0 {
		return fmt.Errorf("--%s %d: want 0 or more", flag, n)
	}
	return nil
}

// networkOf returns the network to find peers in. A chain of one's own has no bootnodes unless they
// are given.
func networkOf(cmd *cli.Command) string {
	if !cmd.IsSet(flagNetwork) && cmd.IsSet(flagGenesis) {
		return "none"
	}
	return cmd.String(flagNetwork)
}

// exclusive returns an error if the command line has flags that exclude each other.
func exclusive(cmd *cli.Command) error {
	var errs []error
	for _, pair := range [][2]string{{flagNoPunch, flagPrivate}, {flagNoDiscover, flagV4}, {flagNoDiscover, flagV5}, {flagNoIPC, flagIPC}} {
		if cmd.Bool(pair[0]) && cmd.IsSet(pair[1]) {
			errs = append(errs, fmt.Errorf("--%s and --%s exclude each other", pair[0], pair[1]))
		}
	}
	if cmd.IsSet(flagGenesis) && networkOf(cmd) != "none" {
		errs = append(errs, fmt.Errorf("--%s and --%s exclude each other", flagGenesis, flagNetwork))
	}
	return errors.Join(errs...)
}

// discoveryOf returns how the node finds peers; nil means that discovery is disabled.
func discoveryOf(cmd *cli.Command) (*node.Discovery, error) {
	network, err := discovery.Preset(networkOf(cmd))
	if cmd.Bool(flagNoDiscover) {
		return nil, err // the network is that of eth, too
	}
	d := &node.Discovery{
		V4: cmd.Bool(flagV4), V5: cmd.Bool(flagV5),
		Bootnodes: network.Bootnodes, BootnodesV5: network.BootnodesV5, DNS: network.DNS,
	}
	errs := []error{err}
	switch port := cmd.Int(flagDiscPort); {
	case port < 0 || port > 1<<16-1:
		errs = append(errs, fmt.Errorf("--%s %d: want 0 to 65535", flagDiscPort, port))
	default:
		d.Port = uint16(port)
	}
	if cmd.IsSet(flagBootnodes) {
		nodes, err := discovery.ParseNodes(cmd.String(flagBootnodes))
		d.Bootnodes, d.BootnodesV5 = nodes, nodes
		errs = append(errs, err)
	}
	if cmd.IsSet(flagDNS) {
		d.DNS = nil
		for list := range strings.SplitSeq(cmd.String(flagDNS), ",") {
			if list = strings.TrimSpace(list); list != "" {
				d.DNS = append(d.DNS, list)
			}
		}
	}
	return d, errors.Join(errs...)
}

// givenKey returns the key that the command line gives, or nil if it gives none.
func givenKey(cmd *cli.Command) (*ecdsa.PrivateKey, error) {
	file, hex := cmd.String(flagNodeKey), cmd.String(flagNodeKeyHex)
	switch {
	case file != "" && hex != "":
		return nil, fmt.Errorf("--%s and --%s exclude each other", flagNodeKey, flagNodeKeyHex)
	case file != "":
		return node.ReadKey(file)
	case hex != "":
		key, err := crypto.HexToECDSA(hex)
		if err != nil {
			return nil, fmt.Errorf("--%s: %w", flagNodeKeyHex, err) // the error does not contain the key
		}
		return key, nil
	}
	return nil, nil
}

// specsOf returns the Specs of the protocols in the list. If chosen is false, the list is the
// default, and what cannot run is left out.
func (c *catalog) specsOf(list string, chosen bool) ([]protocols.Spec, error) {
	var specs []protocols.Spec
	for name := range strings.SplitSeq(list, ",") {
		name = strings.TrimSpace(name)
		p := c.find(name)
		switch {
		case p == nil:
			return nil, fmt.Errorf("unknown protocol %q, known protocols: %s", name, strings.Join(builtinNames(), ", "))
		case p.err == nil:
			specs = append(specs, p.spec)
		case chosen:
			return nil, fmt.Errorf("protocol %s: %w", name, p.err)
		}
	}
	_, err := protocols.Mount(specs...) // not twice the same
	return specs, err
}

// logOf returns a logger that writes to standard error, and never waits for it. verbosity is the
// default of the flag.
func logOf(cmd *cli.Command, verbosity int) (*slog.Logger, error) {
	if cmd.IsSet(flagVerbosity) {
		verbosity = cmd.Int(flagVerbosity)
	}
	level, err := node.Level(verbosity)
	if err != nil {
		return nil, usage(fmt.Errorf("--%s: %w", flagVerbosity, err))
	}
	w := cmd.Root().ErrWriter
	format, err := logFormat(cmd.String(flagLogFormat), level, isTerminal(w))
	if err != nil {
		return nil, usage(fmt.Errorf("--%s: %w", flagLogFormat, err))
	}
	if w, ok := w.(*asynclog.Writer); ok {
		w.ReportBy(func(to io.Writer, loss asynclog.Loss) {
			format(to).LogAttrs(context.Background(), slog.LevelWarn, asynclog.LossMessage, loss.Attrs()...)
		})
	}
	return format(w), nil
}

// logFormat returns the function that makes a log of this format.
func logFormat(name string, level slog.Level, colour bool) (func(io.Writer) *slog.Logger, error) {
	switch name {
	case "text", "terminal": // without colour, text is logfmt
		return func(w io.Writer) *slog.Logger { return node.NewTextLog(w, level, colour) }, nil
	case "logfmt":
		return func(w io.Writer) *slog.Logger { return node.NewTextLog(w, level, false) }, nil
	case "json":
		return func(w io.Writer) *slog.Logger { return node.NewJSONLog(w, level) }, nil
	}
	return nil, fmt.Errorf("log format %q: want text, terminal, logfmt or json", name)
}

// isTerminal reports whether w writes to a terminal that shows colours. A user disables them with
// NO_COLOR.
func isTerminal(w io.Writer) bool {
	if behind, ok := w.(interface{ Unwrap() io.Writer }); ok {
		w = behind.Unwrap()
	}
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd())) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
}

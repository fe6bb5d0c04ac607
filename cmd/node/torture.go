package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/urfave/cli/v3"

	"github.com/troupe-p2p/troupe/node"
	"github.com/troupe-p2p/troupe/node/torture"
)

const (
	flagTargetDir   = "target.datadir"
	flagTargetIPC   = "target.ipcpath"
	flagBeside      = "beside"
	flagBesideDir   = "beside.datadir"
	flagBesideIPC   = "beside.ipcpath"
	flagAttack      = "attack"
	flagAttackRate  = "rate"
	flagAttackers   = "attackers"
	flagTogether    = "together"
	flagFrom        = "from"
	flagHonest      = "honest"
	flagHonestFrom  = "honest.from"
	flagSettle      = "settle"
	flagBoundRate   = "bound.rate"
	flagBoundMemory = "bound.memory"
	flagBoundLeft   = "bound.left"
)

// tortureCommand returns a new command on each call, because parsing a command line changes it.
func tortureCommand() *cli.Command {
	b := torture.DefaultBounds
	return &cli.Command{
		Name: "torture", Usage: "attack a node of your own, and measure what that costs its honest peers", ArgsUsage: "ENODE",
		Description: "The node must run on this machine, and --" + flagTargetDir + " must be its data directory: over the socket there the\n" +
			"command proves that the node is yours. It attacks no other. docs/torture.md describes the attacks and the result.\n" +
			"The exit code is 0 if all bounds are kept, 3 if one is exceeded, and 1 if the run failed or was refused.\n\n" +
			"Attacks, with the rate of each attacker:\n" + attackHelp(),
		Action: tortureNode,
		Flags: []cli.Flag{
			&cli.StringFlag{Name: flagTargetDir, Usage: "data `DIR` of the node"},
			&cli.StringFlag{Name: flagTargetIPC, Usage: "`PATH` of the node's socket (default: " + ipcFile + " in its data directory)"},
			&cli.StringFlag{Name: flagBeside, Usage: "`ENODE` of another node of yours on this machine: the baseline is the rate while that one is attacked"},
			&cli.StringFlag{Name: flagBesideDir, Usage: "data `DIR` of the other node"},
			&cli.StringFlag{Name: flagBesideIPC, Usage: "`PATH` of the other node's socket"},
			&cli.StringFlag{Name: flagAttack, Usage: "`NAMES` of the attacks, separated by commas", DefaultText: "all"},
			&cli.BoolFlag{Name: flagTogether, Usage: "run the attacks at the same time, instead of one after the other"},
			&cli.IntFlag{Name: flagAttackers, Usage: "`NUMBER` of attackers of each attack", Value: torture.DefaultAttackers},
			&cli.StringFlag{Name: flagAttackRate, Usage: "`NAME=NUMBER` of actions a second of each attacker, separated by commas", DefaultText: "see above"},
			&cli.DurationFlag{Name: flagDuration, Usage: "`TIME` of each attack", Value: torture.DefaultDuration},
			&cli.StringFlag{Name: flagFrom, Usage: "local `ADDRESSES` that the attackers use, separated by commas"},
			&cli.IntFlag{Name: flagHonest, Usage: "`NUMBER` of honest links", Value: torture.DefaultHonest},
			&cli.StringFlag{Name: flagHonestFrom, Usage: "local `ADDRESSES` that the honest links use, separated by commas"},
			&cli.DurationFlag{Name: flagSettle, Usage: "most `TIME` for the memory to come back after an attack", Value: torture.DefaultSettle},
			&cli.FloatFlag{Name: flagBoundRate, Usage: "least `SHARE` of the baseline that honest links keep; 0: no bound", Value: b.Rate},
			&cli.IntFlag{Name: flagBoundMemory, Usage: "most `MIB` by which the node's memory grows; 0: no bound", Value: b.Memory >> 20},
			&cli.IntFlag{Name: flagBoundLeft, Usage: "most `MIB` of that growth that are left in the end; 0: no bound", Value: b.Left >> 20},
			&cli.BoolFlag{Name: flagJSON, Usage: "print JSON"},
		},
	}
}

func attackHelp() string {
	var b strings.Builder
	for _, a := range torture.All() {
		about := a.About()
		fmt.Fprintf(&b, "  %-15s %s (%v %s/s)\n", about.Name, about.Does, about.Rate, about.Unit)
	}
	return strings.TrimRight(b.String(), "\n")
}

// tortureNode runs the attacks and prints the result.
func tortureNode(ctx context.Context, cmd *cli.Command) error {
	cfg, err := tortureConfig(cmd)
	if err != nil {
		return err
	}
	ctx, cancel := signal.NotifyContext(ctx, syscall.SIGTERM, os.Interrupt)
	defer cancel()
	// A second signal ends the process at once.
	defer context.AfterFunc(ctx, cancel)()
	report, err := torture.Run(ctx, cfg)
	if report == nil {
		return err
	}
	if cmd.Bool(flagJSON) {
		err = errors.Join(err, printJSON(cmd.Root().Writer, report))
	} else {
		err = errors.Join(err, report.Print(cmd.Root().Writer))
	}
	if err == nil && report.Broken() {
		err = &failure{errors.New("a bound was exceeded"), exitRefused}
	}
	return err
}

func tortureConfig(cmd *cli.Command) (cfg torture.Config, err error) {
	log, err := logOf(cmd, defaultVerbosity)
	if err != nil {
		return cfg, err
	}
	cfg = torture.Config{
		Attackers: cmd.Int(flagAttackers), Together: cmd.Bool(flagTogether), Duration: cmd.Duration(flagDuration),
		Settle: cmd.Duration(flagSettle), Honest: cmd.Int(flagHonest), Logger: log,
		Bounds: torture.Bounds{Rate: cmd.Float(flagBoundRate), Memory: cmd.Int(flagBoundMemory) << 20, Left: cmd.Int(flagBoundLeft) << 20},
	}
	var errs [6]error
	arg, err := onlyArgs(cmd, 1)
	if err != nil {
		return cfg, err
	}
	cfg.Target, errs[0] = targetOf(cmd, arg, flagTargetDir, flagTargetIPC)
	if cmd.IsSet(flagBeside) {
		var beside torture.Target
		beside, errs[1] = targetOf(cmd, cmd.String(flagBeside), flagBesideDir, flagBesideIPC)
		cfg.Beside = &beside
	}
	cfg.Attacks, errs[2] = torture.Select(words(cmd.String(flagAttack)))
	cfg.Rates, errs[3] = ratesOf(cmd.String(flagAttackRate))
	cfg.From, errs[4] = addrsOf(flagFrom, cmd.String(flagFrom))
	cfg.HonestFrom, errs[5] = addrsOf(flagHonestFrom, cmd.String(flagHonestFrom))
	if err := errors.Join(errs[:]...); err != nil {
		return cfg, usage(err)
	}
	return cfg, usage(cfg.Check())
}

// targetOf returns a node, and where its socket is by the flags with these names.
func targetOf(cmd *cli.Command, url, dirFlag, ipcFlag string) (t torture.Target, err error) {
	nodes, err := node.ParseStaticNodes(url)
	if err != nil || len(nodes) != 1 {
		return t, errors.Join(err, fmt.Errorf("%q: want one node", url))
	}
	t.Node, t.IPC = nodes[0], cmd.String(ipcFlag)
	if t.IPC == "" {
		if cmd.String(dirFlag) == "" {
			return t, fmt.Errorf("--%s is missing: it proves that the node is yours", dirFlag)
		}
		t.IPC = filepath.Join(cmd.String(dirFlag), ipcFile)
	}
	return t, nil
}

func ratesOf(list string) (map[string]float64, error) {
	rates := map[string]float64{}
	for _, word := range words(list) {
		name, number, _ := strings.Cut(word, "=")
		rate, err := strconv.ParseFloat(number, 64)
		if err != nil {
			return nil, fmt.Errorf("--%s %q: want NAME=NUMBER", flagAttackRate, word)
		}
		rates[name] = rate
	}
	return rates, nil
}

func addrsOf(flag, list string) (addrs []netip.Addr, err error) {
	for _, word := range words(list) {
		a, err := netip.ParseAddr(word)
		if err != nil {
			return nil, fmt.Errorf("--%s: %w", flag, err)
		}
		addrs = append(addrs, a.Unmap())
	}
	return addrs, nil
}

package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/troupe-p2p/troupe/node/devnet"
	"github.com/troupe-p2p/troupe/protocols"
	"github.com/troupe-p2p/troupe/protocols/bench"
	"github.com/troupe-p2p/troupe/protocols/chat"
)

const (
	flagNodes       = "nodes"
	flagDevnetChaos = "chaos"

	// devnetStopTimeout limits how long all nodes together may take to stop.
	devnetStopTimeout = 15 * time.Second
)

// devnetCommand returns a new command on each call, because parsing a command line changes it.
func devnetCommand() *cli.Command {
	return &cli.Command{
		Name: "devnet", Usage: "run many nodes in one process that find each other on loopback",
		Description: "Prints the URL of one node, through which other nodes can join, and one status line a second.\n" +
			"Ends with Ctrl-C or after --duration. The nodes log errors only, unless --verbosity is set.",
		Action: runDevnet,
		Flags: []cli.Flag{
			&cli.IntFlag{Name: flagNodes, Usage: "`NUMBER` of nodes", Value: 20},
			&cli.BoolFlag{Name: flagDevnetChaos, Usage: "from time to time, kill and replace nodes and make actors panic"},
			&cli.DurationFlag{Name: flagDuration, Usage: "end after this `TIME`", DefaultText: "none"},
		},
	}
}

// runDevnet runs a network until the user interrupts it, --duration is over or the network ends.
func runDevnet(ctx context.Context, cmd *cli.Command) error {
	if _, err := onlyArgs(cmd, 0); err != nil {
		return err
	}
	if n := cmd.Int(flagNodes); n < 1 {
		return usage(fmt.Errorf("--%s %d: want at least 1", flagNodes, n))
	}
	log, err := logOf(cmd)
	if err != nil {
		return err
	}
	if !cmd.IsSet(flagVerbosity) {
		log = slog.New(atLeast{log.Handler(), slog.LevelError})
	}
	ctx, cancel := signal.NotifyContext(ctx, syscall.SIGTERM, os.Interrupt)
	defer cancel()
	// A second signal ends the process at once.
	defer context.AfterFunc(ctx, cancel)()
	c := devnet.Config{Nodes: cmd.Int(flagNodes), MaxPeers: devnet.DefaultMaxPeers, Chaos: cmd.Bool(flagDevnetChaos), Logger: log, Specs: devnetSpecs}
	if cmd.IsSet(flagMaxPeers) {
		c.MaxPeers = cmd.Int(flagMaxPeers)
	}
	n, err := devnet.Start(c)
	if err != nil {
		return err
	}
	watchDevnet(ctx, cmd, n)
	stopping, release := context.WithTimeout(context.Background(), devnetStopTimeout)
	defer release()
	return n.Stop(stopping)
}

// watchDevnet prints one status line a second until the network ends.
func watchDevnet(ctx context.Context, cmd *cli.Command, n *devnet.Net) {
	var over <-chan time.Time
	if d := cmd.Duration(flagDuration); d > 0 {
		over = time.After(d)
	}
	seconds := time.NewTicker(time.Second)
	defer seconds.Stop()
	known := false
	for {
		select {
		case <-seconds.C:
			if nodes := n.Nodes(); !known && len(nodes) > 0 {
				known = true
				fmt.Fprintln(cmd.Root().Writer, "READY", nodes[0].URLv4())
			}
			fmt.Fprintln(cmd.Root().Writer, n.Stats())
		case <-over:
			return
		case <-n.Done():
			return
		case <-ctx.Done():
			return
		}
	}
}

func devnetSpecs() []protocols.Spec {
	return []protocols.Spec{chat.NewRoom().Spec(), bench.Spec()}
}

// atLeast drops log records below a level.
type atLeast struct {
	slog.Handler
	level slog.Level
}

// Enabled implements slog.Handler.
func (h atLeast) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= h.level && h.Handler.Enabled(ctx, level)
}

// WithAttrs implements slog.Handler.
func (h atLeast) WithAttrs(attrs []slog.Attr) slog.Handler {
	return atLeast{h.Handler.WithAttrs(attrs), h.level}
}

// WithGroup implements slog.Handler.
func (h atLeast) WithGroup(name string) slog.Handler {
	return atLeast{h.Handler.WithGroup(name), h.level}
}

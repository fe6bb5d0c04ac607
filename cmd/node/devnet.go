package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/troupe-p2p/troupe/node/devnet"
	"github.com/troupe-p2p/troupe/node/memory"
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
	log, err := logOf(cmd, devnetVerbosity)
	if err != nil {
		return err
	}
	c := devnet.Config{Nodes: cmd.Int(flagNodes), MaxPeers: devnet.DefaultMaxPeers, Chaos: cmd.Bool(flagDevnetChaos), Logger: log, Specs: devnetSpecs}
	if cmd.IsSet(flagMaxPeers) {
		c.MaxPeers = cmd.Int(flagMaxPeers)
	}
	defer memory.Keep(memory.Config{Logger: log})()
	n, err := devnet.Start(c)
	if err != nil {
		return err
	}
	unwritten := watchDevnet(ctx, cmd, n)
	stopping, release := context.WithTimeout(context.Background(), devnetStopTimeout)
	defer release()
	return errors.Join(n.Stop(stopping), unwritten)
}

// watchDevnet prints one status line a second until the network ends. It returns an error when
// nothing reads the lines any more.
func watchDevnet(ctx context.Context, cmd *cli.Command, n *devnet.Net) error {
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
			text := fmt.Sprintln(n.Stats())
			if nodes := n.Nodes(); !known && len(nodes) > 0 {
				known = true
				text = fmt.Sprintln("READY", nodes[0].URLv4()) + text
			}
			if _, err := io.WriteString(cmd.Root().Writer, text); err != nil {
				return unlessInterrupted(ctx, err)
			}
		case <-over:
			return nil
		case <-n.Done():
			return nil
		case <-ctx.Done():
			return nil
		}
	}
}

func devnetSpecs() []protocols.Spec {
	return []protocols.Spec{chat.NewRoom().Spec(), bench.Spec()}
}

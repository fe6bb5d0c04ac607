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

	// devnetStopTimeout limits how long all nodes together may take to disconnect from their peers.
	devnetStopTimeout = 15 * time.Second
	// devnetEndTime is how much of --duration is for that, or a quarter of it if that is less.
	devnetEndTime = 5 * time.Second
)

// devnetCommand returns a new command on each call, because parsing a command line changes it.
func devnetCommand() *cli.Command {
	return &cli.Command{
		Name: "devnet", Usage: "run many nodes in one process that find each other on loopback",
		Description: "Prints the URL of one node, through which other nodes can join, and one status line a second.\n" +
			"Ends with Ctrl-C, or with --duration, also if not all nodes are up by then: the nodes stop in its last five\n" +
			"seconds. Chaos begins when all nodes are up. The nodes log errors only, unless --verbosity is set.",
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
	if d := cmd.Duration(flagDuration); d < 0 {
		return usage(fmt.Errorf("--%s %v: want a positive time", flagDuration, d))
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
	begin := time.Now()
	n, err := devnet.Start(c)
	if err != nil {
		return err
	}
	d := cmd.Duration(flagDuration)
	unwritten := watchDevnet(ctx, cmd, n, begin.Add(d-min(d/4, devnetEndTime)))
	end := time.Now().Add(devnetStopTimeout)
	if over := begin.Add(d); d > 0 && over.Before(end) {
		end = over
	}
	stopping, release := context.WithDeadline(context.Background(), end)
	defer release()
	return errors.Join(n.Stop(stopping), unwritten)
}

// watchDevnet prints one status line a second until the network ends, or until that time if
// --duration is set. It returns an error when nothing reads the lines any more.
func watchDevnet(ctx context.Context, cmd *cli.Command, n *devnet.Net, until time.Time) error {
	var over <-chan time.Time
	if cmd.Duration(flagDuration) > 0 {
		over = time.After(time.Until(until))
	}
	seconds := time.NewTicker(time.Second)
	defer seconds.Stop()
	known, whole := false, false
	for {
		select {
		case <-seconds.C:
			stats := n.Stats()
			text := fmt.Sprintln(stats)
			if !whole && stats.Whole != 0 {
				whole = true
				text = fmt.Sprintf("all %d nodes were up after %v\n", cmd.Int(flagNodes), stats.Whole.Round(time.Second/10)) + text
			}
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

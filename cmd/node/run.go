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

	"github.com/troupe-p2p/troupe/node"
)

// stopTimeout limits how long the node may take to stop, so that the process ends within 5 s,
// and later only if a protocol asks for more time to stop.
const stopTimeout = 4500 * time.Millisecond

// run runs a node until SIGTERM or SIGINT.
func (c *catalog) run(ctx context.Context, cmd *cli.Command) error {
	if cmd.Args().Present() {
		return usage(fmt.Errorf("unknown command %q", cmd.Args().First()))
	}
	log, err := logOf(cmd)
	if err != nil {
		return err
	}
	cfg, err := c.configOf(cmd, log)
	if err != nil {
		return err
	}
	// Before the node starts, so that a signal during the start is not lost.
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGTERM, os.Interrupt)
	defer signal.Stop(signals)
	defer onMemorySignal(log)()
	showLibraryErrors(log)

	n, err := node.New(cfg)
	if err != nil {
		return err
	}
	started := make(chan error, 1)
	go func() { started <- n.Start(ctx) }()
	select {
	case err := <-started:
		if err != nil {
			return err
		}
	case s := <-signals: // a protocol may take long to prepare
		log.Info("node stopping", "signal", s)
		return stop(n, signals, log)
	}
	log.Info("node started", "url", n.LocalURL(), "name", cfg.Name)
	fmt.Fprintln(cmd.Root().Writer, "READY", n.LocalURL())

	log.Info("node stopping", "signal", <-signals)
	return stop(n, signals, log)
}

// stop stops the node. A second signal ends the process at once.
func stop(n *node.Node, signals <-chan os.Signal, log *slog.Logger) error {
	ctx, cancel := stopContext(n)
	defer cancel()
	stopped := make(chan error, 1)
	go func() { stopped <- n.Stop(ctx) }()
	select {
	case err := <-stopped:
		if err != nil {
			// The process ends now, as the operator asked, so the exit code is 0.
			log.Warn("node stop incomplete", "err", err)
		}
		return nil
	case s := <-signals:
		return fmt.Errorf("stop interrupted by a second signal: %v", s)
	}
}

// stopContext returns a context that limits how long n may take to stop.
func stopContext(n *node.Node) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), stopTimeout+n.StopTimeout())
}

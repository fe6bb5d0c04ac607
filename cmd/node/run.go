package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/troupe-p2p/troupe/node"
	"github.com/troupe-p2p/troupe/node/admin"
	"github.com/troupe-p2p/troupe/node/memory"
)

// stopTimeout limits how long the node may take to stop, so that the process ends within 5 s,
// and later only if a protocol asks for more time to stop.
const stopTimeout = 4500 * time.Millisecond

// run runs a node until a signal comes.
func (c *catalog) run(ctx context.Context, cmd *cli.Command) error {
	if cmd.Args().Present() {
		return usage(fmt.Errorf("unknown command %q: see node --help", cmd.Args().First()))
	}
	log, err := logOf(cmd, defaultVerbosity)
	if err != nil {
		return err
	}
	cfg, err := c.configOf(cmd, log)
	if err != nil {
		return err
	}
	c.warnUnused(cfg.Specs, log)
	defer onMemorySignal(log)()
	defer memory.Keep(memory.Config{Logger: log})()
	showLibraryErrors(log)

	n, err := node.New(cfg)
	if errors.Is(err, admin.ErrNamespace) {
		return usage(fmt.Errorf("--%s: %w", flagHTTPAPI, err))
	}
	if err != nil {
		return err
	}
	started := make(chan error, 1)
	go func() { started <- n.Start(context.WithoutCancel(ctx)) }()
	select {
	case err := <-started:
		if err != nil {
			return err
		}
		log.Info("node started", "url", n.LocalURL(), "name", cfg.Name)
		if _, err := fmt.Fprintln(cmd.Root().Writer, "READY", n.LocalURL()); err != nil {
			log.Warn("writing the READY line failed", "err", err)
		}
		<-ctx.Done()
	case <-ctx.Done(): // a protocol may take long to prepare
	}
	stop(ctx, n, log)
	return nil
}

// stop stops the node, after a signal has ended ctx.
func stop(ctx context.Context, n *node.Node, log *slog.Logger) {
	begin := time.Now()
	var by *interrupted
	if errors.As(context.Cause(ctx), &by) {
		begin = by.at // on a busy machine it was some time ago
		log.Info("node stopping", "signal", by.signal)
	}
	stopping, cancel := stopContext(n, begin)
	defer cancel()
	if err := n.Stop(stopping); err != nil {
		// The process ends now, as the operator asked, so the exit code is 0.
		log.Warn("node stop incomplete", "err", err)
	}
}

// stopContext returns a context that limits how long n may take to stop from begin on.
func stopContext(n *node.Node, begin time.Time) (context.Context, context.CancelFunc) {
	return context.WithDeadline(context.Background(), begin.Add(stopTimeout+n.StopTimeout()))
}

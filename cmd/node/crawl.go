package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/troupe-p2p/troupe/node"
	"github.com/troupe-p2p/troupe/node/crawl"
	"github.com/troupe-p2p/troupe/node/discovery"
)

// Flags of the crawl. The flags of the node say where the crawl begins.
const (
	flagDB       = "db"
	flagDuration = "duration"
	flagQuiet    = "quiet"
	flagAgain    = "again"
	flagParallel = "parallel"
	flagRate     = "rate"
)

// crawlCommand returns a new command on each call, because parsing a command line changes it.
func crawlCommand() *cli.Command {
	return &cli.Command{
		Name: "crawl", Usage: "visit the nodes of a network and record them in an SQLite file",
		Description: "The crawl starts from --network or --bootnodes and from the nodes that an earlier crawl left in the file.\n" +
			"It ends when it finds nothing new for --quiet, after --duration, or with Ctrl-C. docs/crawl.md describes the file.",
		Action: crawlNetwork,
		Flags: []cli.Flag{
			&pathFlag{Name: flagDB, Usage: "database `FILE`; an existing one is continued", Value: "crawl.db"},
			&cli.DurationFlag{Name: flagDuration, Usage: "end after this `TIME`", DefaultText: "none"},
			&cli.DurationFlag{Name: flagQuiet, Usage: "end when the crawl has found nothing new for this `TIME`", Value: crawl.DefaultQuiet},
			&cli.DurationFlag{Name: flagAgain, Usage: "visit a node again when its last visit is older than this `TIME`", Value: crawl.DefaultAgain},
			&cli.IntFlag{Name: flagParallel, Usage: "maximum `NUMBER` of visits at the same time", Value: crawl.DefaultParallel},
			&cli.IntFlag{Name: flagRate, Usage: "maximum `NUMBER` of visits that begin in a second", Value: crawl.DefaultPerSecond},
		},
	}
}

// crawlNetwork runs a crawl and then prints a summary of the database.
func crawlNetwork(ctx context.Context, cmd *cli.Command) error {
	cfg, err := crawlConfig(cmd)
	if err != nil {
		return err
	}
	crawling := ctx
	if d := cmd.Duration(flagDuration); d > 0 {
		var stop context.CancelFunc
		crawling, stop = context.WithTimeout(ctx, d)
		defer stop()
	}
	begin := time.Now()
	cfg.Report = func(p crawl.Progress) { printProgress(cmd.Root().ErrWriter, time.Since(begin), p) }
	sum, err := crawl.Run(crawling, cfg)
	return errors.Join(err, unlessInterrupted(ctx, sum.Print(cmd.Root().Writer)))
}

func printProgress(w io.Writer, elapsed time.Duration, p crawl.Progress) {
	fmt.Fprintf(w, "%v: %d nodes known, %d visited, %d alive, %d under way, %d to go", elapsed.Round(time.Second), p.Known, p.Visited, p.Alive, p.UnderWay, p.Due)
	if p.Left > 0 {
		fmt.Fprintf(w, ", %d left out", p.Left)
	}
	if p.Quiet >= time.Second {
		fmt.Fprintf(w, ", nothing new for %v", p.Quiet.Round(time.Second))
	}
	fmt.Fprintln(w)
}

func crawlConfig(cmd *cli.Command) (cfg crawl.Config, err error) {
	if _, err := onlyArgs(cmd, 0); err != nil {
		return cfg, err
	}
	cfg = crawl.Config{
		DB: cmd.String(flagDB), Parallel: cmd.Int(flagParallel), PerSecond: cmd.Int(flagRate),
		Again: cmd.Duration(flagAgain), Quiet: cmd.Duration(flagQuiet),
	}
	if cfg.Logger, err = logOf(cmd, defaultVerbosity); err != nil {
		return cfg, err
	}
	var errs [5]error
	cfg.Key, errs[0] = givenKey(cmd)
	cfg.NetRestrict, errs[1] = node.ParseNetworks(cmd.String(flagRestrict))
	d, err := discoveryOf(cmd)
	errs[2] = err
	switch {
	case d != nil:
		cfg.V4, cfg.V5 = d.V4, d.V5
		cfg.Network = discovery.Network{Bootnodes: d.Bootnodes, BootnodesV5: d.BootnodesV5, DNS: d.DNS}
	case err == nil:
		errs[2] = fmt.Errorf("--%s disables the discovery that a crawl needs", flagNoDiscover)
	}
	port := 0 // any free port: the node may be running and use its own
	switch {
	case cmd.IsSet(flagDiscPort):
		port = cmd.Int(flagDiscPort)
	case cmd.IsSet(flagPort):
		port = cmd.Int(flagPort)
	}
	listen, err := node.ParseListen(cmd.String(flagAddr), port)
	if errs[3] = err; err == nil && len(listen) > 0 {
		cfg.Listen = listen[0]
	}
	if cfg.Parallel < 1 || cfg.PerSecond < 1 || cfg.Again <= 0 || cfg.Quiet <= 0 {
		errs[4] = fmt.Errorf("--%s, --%s, --%s and --%s must be positive", flagParallel, flagRate, flagAgain, flagQuiet)
	}
	return cfg, usage(errors.Join(errs[:]...))
}

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/p2p/enode"
	"github.com/urfave/cli/v3"

	"github.com/troupe-p2p/troupe/node"
	"github.com/troupe-p2p/troupe/protocols"
	"github.com/troupe-p2p/troupe/protocols/eth"
	"github.com/troupe-p2p/troupe/protocols/eth/history"
)

// Flags of the download, besides flagFrom.
const (
	flagPeers   = "peers"
	flagTo      = "to"
	flagHeaders = "headers"
)

// peersTimeout is how long the peers may take to be there. After it those that are suffice.
var peersTimeout = 30 * time.Second

// ethSyncCommand returns the command that downloads a chain.
func ethSyncCommand(c *catalog) *cli.Command {
	return &cli.Command{
		Name: "sync", Usage: "download a chain from peers into a directory of .ere files", ArgsUsage: "DIR",
		Description: "The download goes from the last block back to the first by parent hashes: all that is written belongs to the\n" +
			"chain of the last block, whichever peers it came from. The peers must be on the chain of --network or\n" +
			"--eth.genesis. Files that DIR has are not downloaded again. Ctrl-C ends the download, and the next one into DIR\n" +
			"goes on from there. The exit code is 0 only if all blocks are there. docs/eth.md says more.",
		Action: c.ethSync,
		Flags: []cli.Flag{
			&cli.StringFlag{Name: flagPeers, Usage: "`NODES` to download from (enode URLs or ENRs, separated by commas)"},
			&cli.StringFlag{Name: flagTo, Usage: "`HASH` of the last block", DefaultText: "the head by what most of the peers have"},
			&cli.Uint64Flag{Name: flagFrom, Usage: "`NUMBER` of the first block, rounded down to a multiple of 8192"},
			&cli.BoolFlag{Name: flagHeaders, Usage: "download headers alone, and keep them in DIR for a later download"},
		},
	}
}

// ethSync runs a node that has the peers alone, and downloads.
func (c *catalog) ethSync(ctx context.Context, cmd *cli.Command) error {
	d, peers, err := syncConfig(cmd)
	if err != nil {
		return err
	}
	log, err := logOf(cmd, syncVerbosity)
	if err != nil {
		return err
	}
	e, err := c.newEth(cmd)
	if err != nil {
		return err
	}
	key, err := givenKey(cmd)
	if err == nil && key == nil {
		key, err = node.FreshKey()
	}
	if err != nil {
		return usage(err)
	}
	n, err := node.New(node.Config{
		Key: key, Name: node.ClientName(cmd.String(flagIdentity)), Specs: []protocols.Spec{e.Spec()}, StaticNodes: peers, Logger: log,
	})
	if err != nil {
		return err
	}
	links := watchLinks(n.Subscribe(ctx))
	if err := n.Start(ctx); err != nil {
		return err
	}
	defer (&visit{n: n}).stop()
	out := cmd.Root().Writer
	if d.To == (common.Hash{}) {
		h, err := e.PeersHead(ctx, len(peers), peersTimeout)
		if err != nil {
			return fmt.Errorf("find out the head: %w", links.explain(err))
		}
		d.To = h.Hash
		if _, err := fmt.Fprintf(out, "head: block %d, %v\n", h.Number, h.Hash); err != nil {
			return err
		}
	}
	begin, errs := time.Now(), cmd.Root().ErrWriter
	d.Report = func(p eth.Progress) { printSyncProgress(errs, time.Since(begin), &p, d.HeadersOnly) }
	d.Written = func(path string) { fmt.Fprintln(errs, "written:", filepath.Base(path)) }
	p, err := e.Download(ctx, d)
	if err != nil {
		printKept(errs, &p, d)
		return fmt.Errorf("download: %w", links.explain(err))
	}
	return printSynced(out, &p, d)
}

// syncVerbosity shows warnings: the progress is printed anyway.
const syncVerbosity = 2

// syncConfig returns what the command line says.
func syncConfig(cmd *cli.Command) (d eth.Download, peers []*enode.Node, err error) {
	dir, err := onlyArgs(cmd, 1)
	if err != nil {
		return d, nil, err
	}
	d = eth.Download{Dir: node.ExpandPath(dir), From: cmd.Uint64(flagFrom), HeadersOnly: cmd.Bool(flagHeaders)}
	var errs [3]error
	if to := cmd.String(flagTo); to != "" {
		if d.To, errs[0] = hashOf(to); errs[0] != nil {
			errs[0] = fmt.Errorf("--%s: %w", flagTo, errs[0])
		}
	}
	peers, errs[1] = node.ParseStaticNodes(cmd.String(flagPeers))
	if errs[1] == nil && len(peers) == 0 {
		errs[1] = errors.New("want at least one node")
	}
	if errs[1] != nil {
		errs[1] = fmt.Errorf("--%s: %w", flagPeers, errs[1])
	}
	errs[2] = exclusive(cmd)
	return d, peers, usage(errors.Join(errs[:]...))
}

// newEth returns a side of eth with what the command line says.
func (c *catalog) newEth(cmd *cli.Command) (*eth.Eth, error) {
	e := eth.New(eth.Config{})
	flags := e.Spec().Flags
	var errs []error
	for _, f := range c.flags {
		for _, text := range f.given {
			if flags.Lookup(f.Name) == nil {
				continue
			}
			if err := flags.Set(f.Name, f.expand(text)); err != nil {
				errs = append(errs, fmt.Errorf("--%s %q: %w", f.Name, text, err))
			}
		}
	}
	errs = append(errs, e.SetNetwork(networkOf(cmd)))
	return e, usage(errors.Join(errs...))
}

// linkLog has why there is no link to a peer.
type linkLog struct {
	mu  sync.Mutex
	why map[enode.ID]error
}

// watchLinks notes why there is no link until there are no more events.
func watchLinks(events <-chan node.Event) *linkLog {
	l := &linkLog{why: map[enode.ID]error{}}
	go func() {
		for e := range events {
			l.note(e)
		}
	}()
	return l
}

func (l *linkLog) note(e node.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch e.Kind {
	case node.PeerAdded:
		delete(l.why, e.Peer.ID)
	case node.PeerDropped:
		l.why[e.Peer.ID] = e.Cause
	case node.SetupFailed:
		if _, ok := l.why[e.Peer.ID]; !ok { // why a link ended says more
			l.why[e.Peer.ID] = e.Err
		}
	}
}

// explain adds to an error why there is no link to some peers.
func (l *linkLog) explain(err error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for id, why := range l.why {
		err = fmt.Errorf("%w; no link to %s: %w", err, id.TerminalString(), why)
	}
	return err
}

func printSyncProgress(w io.Writer, elapsed time.Duration, p *eth.Progress, headersOnly bool) {
	fmt.Fprintf(w, "%v: %s; %d headers", elapsed.Round(time.Second), headersText(p), p.NewHeaders)
	if !headersOnly {
		fmt.Fprintf(w, ", %d bodies, %d receipts; %d missing in the epochs at work, %d files written", p.NewBodies, p.NewReceipts, p.Missing, p.Written)
	}
	fmt.Fprintf(w, "; %d peers", p.Peers)
	if p.Trouble != nil {
		fmt.Fprintf(w, "; last trouble: %v", p.Trouble)
	}
	fmt.Fprintln(w)
}

// headersText says how far down the headers are there.
func headersText(p *eth.Progress) string {
	switch {
	case !p.Known:
		return "waiting for the last block"
	case p.Headers:
		return fmt.Sprintf("all headers up to block %d", p.Target)
	}
	return fmt.Sprintf("headers of blocks %d to %d", p.Next+1, p.Target)
}

// printKept says what a download that has not ended keeps.
func printKept(w io.Writer, p *eth.Progress, d eth.Download) {
	if !p.Known {
		return
	}
	fmt.Fprintf(w, "kept: %s and what came of their bodies and receipts, in %s and its folder %s; the same command goes on from there\n", headersText(p), d.Dir, history.JournalDir)
}

func printSynced(w io.Writer, p *eth.Progress, d eth.Download) (err error) {
	if d.HeadersOnly {
		_, err = fmt.Fprintf(w, "the headers of blocks %d to %d are in %s; without --%s the download goes on from there\n", d.From-d.From%history.EpochSize, p.Target, filepath.Join(d.Dir, history.JournalDir), flagHeaders)
		return err
	}
	_, err = fmt.Fprintf(w, "blocks %d to %d are in %s; files written: %d\n", d.From-d.From%history.EpochSize, p.Target, d.Dir, p.Written)
	return err
}

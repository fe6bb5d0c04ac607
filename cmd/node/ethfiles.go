package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"github.com/urfave/cli/v3"

	"github.com/troupe-p2p/troupe/protocols/eth/history"
)

// ethCommand returns a new command on each call, because parsing a command line changes it.
func ethCommand(c *catalog) *cli.Command {
	asJSON := func() []cli.Flag { return []cli.Flag{&cli.BoolFlag{Name: flagJSON, Usage: "print JSON"}} }
	return &cli.Command{
		Name: "eth", Usage: "ask a peer for parts of its chain, and work with files that have a chain's history",
		Commands: []*cli.Command{
			ethGetCommand(c),
			ethSyncCommand(c),
			{
				Name: "ls", Usage: "list the blocks of a directory's era1, .ere and .rlp files, with gaps and overlaps", ArgsUsage: "DIR",
				Description: "Only the ends of each file are read, and what tells overlapping files apart. The exit code is 1 if a file\n" +
					"cannot be opened, or files do not fit together. Gaps are no failure.",
				Action: listHistory, Flags: asJSON(),
			},
			{
				Name: "verify", Usage: "check all blocks of a directory's era1, .ere and .rlp files", ArgsUsage: "DIR",
				Description: "Hashes, roots, total difficulties, accumulators, names, the links between the files, and checksums.txt.\n" +
					"The exit code is 1 if anything is wrong. Gaps are no failure. Whether the last block is one of the right\n" +
					"chain is not known: compare its hash, which is printed.",
				Action: verifyHistory, Flags: asJSON(),
			},
		},
	}
}

// historyDir returns the argument of a command, a directory.
func historyDir(cmd *cli.Command) (string, error) {
	dir, err := onlyArgs(cmd, 1)
	if err != nil {
		return "", err
	}
	info, err := os.Stat(dir)
	if err == nil && !info.IsDir() {
		err = fmt.Errorf("%s is no directory", dir)
	}
	return dir, err
}

func listHistory(_ context.Context, cmd *cli.Command) error {
	dir, err := historyDir(cmd)
	if err != nil {
		return err
	}
	r, err := history.List(dir)
	if err != nil {
		return fmt.Errorf("list the files: %w", err)
	}
	w := cmd.Root().Writer
	if cmd.Bool(flagJSON) {
		return errors.Join(printJSON(w, r), historyVerdict(r))
	}
	if err := printFiles(w, r.Files); err != nil {
		return err
	}
	for _, l := range r.LeftOut {
		fmt.Fprintf(w, "WRONG: %s cannot be used: %s\n", filepath.Base(l.Path), l.Why)
	}
	printRelations(w, r)
	return historyVerdict(r)
}

func verifyHistory(ctx context.Context, cmd *cli.Command) error {
	dir, err := historyDir(cmd)
	if err != nil {
		return err
	}
	w := cmd.Root().Writer
	done := func(f history.FileReport) { printVerified(w, &f) }
	if cmd.Bool(flagJSON) {
		done = nil
	}
	r, err := history.Verify(ctx, dir, done)
	if err != nil {
		return fmt.Errorf("verify the files: %w", err)
	}
	if cmd.Bool(flagJSON) {
		return errors.Join(printJSON(w, r), historyVerdict(r))
	}
	printRelations(w, r)
	if r.Checksums {
		fmt.Fprintf(w, "compared with %s\n", history.ChecksumsName)
	}
	return historyVerdict(r)
}

// historyVerdict returns the error that determines the exit code.
func historyVerdict(r *history.Report) error {
	switch {
	case len(r.Files)+len(r.LeftOut) == 0:
		return errors.New("no era1, .ere or .rlp files in the directory")
	case !r.Good():
		return errors.New("the files are not as they should be")
	}
	return nil
}

func printFiles(w io.Writer, files []history.FileReport) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	if len(files) > 0 {
		fmt.Fprintln(t, "BLOCKS\tCOUNT\tMiB\tPARTS\tLAST\tFILE")
	}
	for i := range files {
		f := &files[i]
		parts := []string{"bodies"}
		if f.Receipts {
			parts = append(parts, "receipts")
		}
		if f.Lists {
			parts = append(parts, "access lists")
		}
		fmt.Fprintf(t, "%d-%d\t%d\t%.1f\t%s\t%x…\t%s\n",
			f.First, f.LastNumber(), f.Count, float64(f.Size)/(1<<20), strings.Join(parts, ", "), f.Last[:4], filepath.Base(f.Path))
	}
	return t.Flush()
}

// printVerified prints what was found out about one file.
func printVerified(w io.Writer, f *history.FileReport) {
	name := filepath.Base(f.Path)
	if f.Good() {
		fmt.Fprintf(w, "ok     %s: blocks %d to %d, the last is %v\n", name, f.First, f.LastNumber(), f.Last)
		return
	}
	if f.Count == 0 {
		fmt.Fprintf(w, "WRONG  %s: cannot be used\n", name)
	} else {
		fmt.Fprintf(w, "WRONG  %s: %d of %d blocks are right\n", name, f.Verified, f.Count)
	}
	for _, p := range f.Problems {
		fmt.Fprintf(w, "       %s\n", p)
	}
	if len(f.Problems) == history.MaxProblems {
		fmt.Fprintln(w, "       …")
	}
}

// printRelations prints how files fit together.
func printRelations(w io.Writer, r *history.Report) {
	for _, g := range r.Gaps {
		fmt.Fprintf(w, "gap: blocks %d to %d\n", g.First, g.Last)
	}
	for _, o := range r.Overlaps {
		a, b := filepath.Base(o.Paths[0]), filepath.Base(o.Paths[1])
		if o.Differs == nil {
			fmt.Fprintf(w, "overlap: %s and %s have the same blocks %d to %d\n", a, b, o.First, o.Last)
		} else {
			fmt.Fprintf(w, "WRONG: %s and %s have different blocks from %d to %d\n", a, b, *o.Differs, o.Last)
		}
	}
	for _, p := range r.Problems {
		fmt.Fprintf(w, "WRONG: %s\n", p)
	}
	if r.Unfinished {
		fmt.Fprintln(w, "A download into this directory has not ended.")
	}
}

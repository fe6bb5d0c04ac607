// Command node runs a devp2p node and has tools for running nodes. It only translates between
// the shell and package node.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	stdlog "log"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/troupe-p2p/troupe/node"
	"github.com/troupe-p2p/troupe/node/asynclog"
)

// Exit codes.
const (
	exitOK      = 0
	exitFailed  = 1
	exitUsage   = 2
	exitRefused = 3 // ping: the node is alive and refuses; nat: routers answered and none can map a port; admin and similar commands: the node answers with an error
)

func main() {
	// Without this, a write to a standard output or error that no process reads any more would
	// kill the process. Ignored, it is an error of the write.
	signal.Ignore(syscall.SIGPIPE)
	signals, _ := watchSignals() // until the process ends: a signal must not kill it amid its last lines
	os.Exit(command(signals, os.Args, os.Stdin, os.Stdout, os.Stderr))
}

// logTimeout limits how long the process waits for standard error when it ends.
const logTimeout = 400 * time.Millisecond

// failure is an error with its own exit code.
type failure struct {
	error
	code int
}

func (f *failure) Unwrap() error { return f.error }

// usage marks err as an error in the command line. It returns nil if err is nil.
func usage(err error) error {
	if err == nil {
		return nil
	}
	return &failure{err, exitUsage}
}

// command runs one command line and returns its exit code. A signal ends it in order, a second
// one at once. Nothing waits for standard error.
func command(signals endings, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	log := asynclog.NewWriter(stderr)
	defer log.Flush(logTimeout)
	stdlog.SetOutput(log) // libraries use it
	out := &output{ctx: signals.first, w: stdout}
	ended := make(chan error, 1)
	go func() { ended <- runCommand(signals.first, args, stdin, out, log) }()
	var err error
	select {
	case err = <-ended:
		if readerGone(err) {
			err = nil
		}
		if err == nil {
			err = out.failure()
		}
	case s := <-signals.now:
		err = fmt.Errorf("stop interrupted by a second signal: %v", s)
	}
	if err == nil {
		return exitOK
	}
	fmt.Fprintln(log, "node:", err)
	var f *failure
	if errors.As(err, &f) {
		return f.code
	}
	return exitFailed
}

// runCommand runs one command line.
func runCommand(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) error {
	nodeFlags := flags()
	c, err := newCatalog(nodeFlags)
	if err != nil {
		return err
	}
	app := &cli.Command{
		Name:      "node",
		Usage:     "a devp2p node built from actors",
		UsageText: "node [run] [options]\nnode COMMAND [options] [arguments]",
		Version:   node.Version,
		Flags:     append(nodeFlags, c.cliFlags()...),
		Reader:    stdin, Writer: stdout, ErrWriter: stderr,
		Action: c.run,
		Commands: append([]*cli.Command{
			{Name: "run", Usage: "run the node until SIGTERM, SIGHUP or Ctrl-C (the default command)", Action: c.run},
			{Name: "enr", Usage: "print the record (ENR) of the node with this data directory", Action: printRecord},
			{Name: "key", Usage: "generate or show the node key", Commands: []*cli.Command{
				{Name: "generate", Usage: "generate a key in the file of --nodekey or in the data directory", Action: generateKey},
				{Name: "show", Usage: "print the public key and the node ID", Action: showKey},
			}},
			{Name: "nat", Usage: "show the routers that answer, their port mappings and the NAT status of the running node", Action: showNAT, Flags: []cli.Flag{
				&cli.BoolFlag{Name: flagJSON, Usage: "print JSON"},
			}},
			crawlCommand(),
			devnetCommand(),
			ethCommand(c),
			newProtocolCommand(),
			tortureCommand(),
			{Name: "ping", Usage: "connect to a node and print its Hello and its round-trip time", ArgsUsage: "ENODE", Action: ping},
			shhCommand(),
			{Name: "chat", Usage: "chat with a node that runs chat/1", ArgsUsage: "ENODE", Action: talk},
		}, adminCommands()...),
	}
	handleErrors(app)
	return app.Run(ctx, args)
}

// handleErrors makes cmd and its subcommands return usage errors to command, which prints them.
func handleErrors(cmd *cli.Command) {
	cmd.OnUsageError = func(_ context.Context, _ *cli.Command, err error, _ bool) error { return usage(err) }
	cmd.ExitErrHandler = func(context.Context, *cli.Command, error) {}
	for _, sub := range cmd.Commands {
		handleErrors(sub)
	}
}

// onlyArgs returns the first argument. It returns an error unless there are exactly want
// arguments.
func onlyArgs(cmd *cli.Command, want int) (string, error) {
	if got := cmd.Args().Len(); got != want {
		return "", usage(fmt.Errorf("%s takes %d arguments, not %q", cmd.FullName(), want, cmd.Args().Slice()))
	}
	return cmd.Args().First(), nil
}

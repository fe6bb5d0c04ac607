// Command node runs a devp2p node, and has a few tools around it. It only translates
// between the shell and package node.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/urfave/cli/v3"

	"github.com/troupe-p2p/troupe/node"
)

// Exit codes.
const (
	exitOK      = 0
	exitFailed  = 1
	exitUsage   = 2
	exitRefused = 3 // ping: the node is alive and doesn't want us; nat: routers are there, and don't help; admin and its like: the node says no
)

func main() {
	os.Exit(command(os.Args, os.Stdin, os.Stdout, os.Stderr))
}

// failure is an error with an exit code of its own.
type failure struct {
	error
	code int
}

func (f *failure) Unwrap() error { return f.error }

// usage marks an error as one of the command line.
func usage(err error) error {
	if err == nil {
		return nil
	}
	return &failure{err, exitUsage}
}

// command runs one command line and gives its exit code.
func command(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	app := &cli.Command{
		Name:      "node",
		Usage:     "a devp2p node made of actors",
		UsageText: "node [run] [options]\nnode COMMAND [options] [arguments]",
		Version:   node.Version,
		Flags:     flags(),
		Reader:    stdin, Writer: stdout, ErrWriter: stderr,
		Action: run,
		Commands: append([]*cli.Command{
			{Name: "run", Usage: "run the node until SIGTERM (the default)", Action: run},
			{Name: "enr", Usage: "print the record of the node with this data directory", Action: printRecord},
			{Name: "key", Usage: "make or show the node key", Commands: []*cli.Command{
				{Name: "generate", Usage: "make a key in --nodekey FILE, or in the data directory", Action: generateKey},
				{Name: "show", Usage: "print the public key and the node ID", Action: showKey},
			}},
			{Name: "nat", Usage: "show the routers that answer, what is mapped on them, and what is known of the node's own NAT", Action: showNAT, Flags: []cli.Flag{
				&cli.BoolFlag{Name: flagJSON, Usage: "print JSON"},
			}},
			crawlCommand(),
			devnetCommand(),
			newProtocolCommand(),
			{Name: "ping", Usage: "connect to a node and print what it is", ArgsUsage: "ENODE", Action: ping},
			shhCommand(),
			{Name: "chat", Usage: "talk to the people at a node that runs chat/1", ArgsUsage: "ENODE", Action: talk},
		}, adminCommands()...),
	}
	handleErrors(app)
	err := app.Run(context.Background(), args)
	if err == nil {
		return exitOK
	}
	fmt.Fprintln(stderr, "node:", err)
	var f *failure
	if errors.As(err, &f) {
		return f.code
	}
	return exitFailed
}

// handleErrors leaves what is wrong with a command line to command, for all commands.
func handleErrors(cmd *cli.Command) {
	cmd.OnUsageError = func(_ context.Context, _ *cli.Command, err error, _ bool) error { return usage(err) }
	cmd.ExitErrHandler = func(context.Context, *cli.Command, error) {}
	for _, sub := range cmd.Commands {
		handleErrors(sub)
	}
}

// onlyArgs wants so many arguments and gives the first.
func onlyArgs(cmd *cli.Command, want int) (string, error) {
	if got := cmd.Args().Len(); got != want {
		return "", usage(fmt.Errorf("%s takes %d arguments, not %q", cmd.FullName(), want, cmd.Args().Slice()))
	}
	return cmd.Args().First(), nil
}

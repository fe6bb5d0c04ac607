package main

import (
	"context"
	"fmt"
	"path/filepath"
	"runtime"
	"runtime/debug"

	"github.com/urfave/cli/v3"
)

const (
	flagTroupe = "troupe"
	flagModule = "module"
)

// newProtocolCommand is made anew for each command line, which fills it in.
func newProtocolCommand() *cli.Command {
	return &cli.Command{
		Name: "new-protocol", Usage: "write a module with a protocol of that name, its test and a node that runs it", ArgsUsage: "NAME DIR",
		Description: "The module requires the Troupe that this program was made from: the release, or else the directory of its source.",
		Action:      newProtocol,
		Flags: []cli.Flag{
			&cli.StringFlag{Name: flagTroupe, Usage: "`DIR` of the source of Troupe that the module is to use"},
			&cli.StringFlag{Name: flagModule, Usage: "`PATH` of the module (default: example.com/ and the name)"},
		},
	}
}

func newProtocol(_ context.Context, cmd *cli.Command) error {
	if _, err := onlyArgs(cmd, 2); err != nil {
		return err
	}
	name, dir := cmd.Args().Get(0), cmd.Args().Get(1)
	s, err := newScaffold(name, cmd.String(flagModule))
	if err != nil {
		return usage(err)
	}
	from, err := troupeOf(cmd)
	if err != nil {
		return err
	}
	if err := s.write(dir, from); err != nil {
		return err
	}
	fmt.Fprintf(cmd.Root().Writer, "%s: module %s with protocol %s/1. Next:\n\n    cd %s\n    go test ./...\n    go run ./cmd/%s\n", dir, s.Module, name, dir, s.Package)
	return nil
}

// troupeOf says which Troupe a new module is to require.
func troupeOf(cmd *cli.Command) (*troupe, error) {
	if dir := cmd.String(flagTroupe); dir != "" {
		t, err := readTroupe(dir)
		if err != nil {
			return nil, usage(fmt.Errorf("--%s: %w", flagTroupe, err))
		}
		return t, nil
	}
	t, err := readTroupe(sourceDir())
	if err != nil {
		return nil, usage(fmt.Errorf("the source of this program is not at hand, say with --%s where it is: %w", flagTroupe, err))
	}
	// A release has the hash of its source; what was built in a work tree has none.
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Path == troupeModule && info.Main.Sum != "" {
		t.version, t.sum = info.Main.Version, info.Main.Sum
	}
	return t, nil
}

// sourceDir is where this program's module was when it was compiled: a work tree, or the
// module cache.
func sourceDir() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Dir(filepath.Dir(filepath.Dir(file)))
}

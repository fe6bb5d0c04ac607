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

// newProtocolCommand returns a new command on each call, because parsing a command line changes it.
func newProtocolCommand() *cli.Command {
	return &cli.Command{
		Name: "new-protocol", Usage: "write a Go module with a new protocol, its tests and a node that runs it", ArgsUsage: "NAME DIR",
		Description: "NAME is the name of the protocol; DIR must not exist or must be empty. The module requires the Troupe that this\n" +
			"program was built from: a release, or the directory of the source.",
		Action: newProtocol,
		Flags: []cli.Flag{
			&pathFlag{Name: flagTroupe, Usage: "`DIR` with the source of Troupe that the module requires"},
			&cli.StringFlag{Name: flagModule, Usage: "`PATH` of the module (default: example.com/ and the package name)"},
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
	fmt.Fprintf(cmd.Root().Writer, "%s: wrote module %s with protocol %s/1. Next steps:\n\n    cd %s\n    go test ./...\n    go run ./cmd/%s\n", dir, s.Module, name, dir, s.Package)
	return nil
}

// troupeOf returns the Troupe that the new module requires.
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
		return nil, usage(fmt.Errorf("find the source of Troupe: %w; name its directory with --%s", err, flagTroupe))
	}
	// A release has the hash of its source; a build from a work tree has none.
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Path == troupeModule && info.Main.Sum != "" {
		t.version, t.sum = info.Main.Version, info.Main.Sum
	}
	return t, nil
}

// sourceDir returns the directory in which this program's module was compiled: a work tree, or
// a directory of the module cache.
func sourceDir() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Dir(filepath.Dir(filepath.Dir(file)))
}

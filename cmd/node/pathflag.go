package main

import (
	"strconv"

	"github.com/urfave/cli/v3"

	"github.com/troupe-p2p/troupe/node"
)

// pathFlag is a flag for a file or a directory. It expands its value as go-ethereum's
// DirectoryFlag does. Shells leave a tilde after = as it is, and service files leave everything.
type pathFlag = cli.FlagBase[string, cli.NoConfig, pathValue]

// pathValue is the value of a pathFlag.
type pathValue struct{ to *string }

// Create implements cli.ValueCreator. The default is not expanded: it is the program's own.
func (pathValue) Create(value string, to *string, _ cli.NoConfig) cli.Value {
	*to = value
	return &pathValue{to}
}

// ToString implements cli.ValueCreator.
func (pathValue) ToString(value string) string {
	p := pathValue{&value}
	return p.String()
}

// Set implements cli.Value.
func (p *pathValue) Set(path string) error {
	*p.to = node.ExpandPath(path)
	return nil
}

// Get implements cli.Value.
func (p *pathValue) Get() any { return *p.to }

// String implements cli.Value. The help quotes the default like that of any other flag.
func (p *pathValue) String() string {
	if p.to == nil || *p.to == "" {
		return ""
	}
	return strconv.Quote(*p.to)
}

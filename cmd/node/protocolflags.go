package main

import (
	"errors"
	"flag"
	"fmt"
	"slices"

	"github.com/urfave/cli/v3"

	"github.com/troupe-p2p/troupe/node/discovery"
	"github.com/troupe-p2p/troupe/protocols"
)

// maker makes a protocol's Spec for a network, one of discovery.Presets. What the Spec's flags set
// when the maker is called is in the Spec.
type maker func(network string) protocols.Spec

// fixed returns the makers of a protocol whose Spec depends on neither.
func fixed(f func() protocols.Spec) func() maker {
	return func() maker {
		spec := f()
		return func(string) protocols.Spec { return spec }
	}
}

// catalog has the Specs of the built-in protocols, for one command line: it sets their flags.
type catalog struct {
	makers []maker          // in the order of the protocols' names
	specs  []protocols.Spec // in the same order
	flags  []*protocolFlag
}

// newCatalog makes the Specs of the built-in protocols. Their flags must not collide with each
// other or with those of the node.
func newCatalog(node []cli.Flag) (*catalog, error) {
	c := new(catalog)
	for _, name := range builtinNames() {
		m := builtin[name]()
		spec := m(discovery.Presets[0])
		if err := spec.Check(); err != nil {
			return nil, err
		}
		c.makers, c.specs = append(c.makers, m), append(c.specs, spec)
		if spec.Flags != nil {
			spec.Flags.VisitAll(func(f *flag.Flag) { c.flags = append(c.flags, &protocolFlag{Flag: f, protocol: name}) })
		}
	}
	var taken []string
	for _, f := range node {
		taken = append(taken, f.Names()...)
	}
	return c, protocols.CheckFlags(taken, c.specs...)
}

// find returns the Spec of a protocol. ok is false when there is none.
func (c *catalog) find(name string) (spec protocols.Spec, ok bool) {
	i := slices.IndexFunc(c.specs, func(s protocols.Spec) bool { return s.Name == name })
	if i < 0 {
		return spec, false
	}
	return c.specs[i], true
}

// cliFlags returns the protocols' flags for the command line, in a category for each protocol.
func (c *catalog) cliFlags() []cli.Flag {
	var list []cli.Flag
	for _, f := range c.flags {
		shown := &cli.GenericFlag{
			Category: "PROTOCOL " + f.protocol, Name: f.Name, Usage: f.Usage, Value: f, DefaultText: f.DefValue,
		}
		if f.IsBoolFlag() {
			shown.HideDefault = f.DefValue == "false"
			shown.SetStringer(func(cli.Flag) string { return cli.FlagStringer(switchFlag{shown}) })
		}
		list = append(list, shown)
	}
	return list
}

// switchFlag is a flag that needs no value, for help texts.
type switchFlag struct{ *cli.GenericFlag }

// TakesValue implements cli.DocGenerationFlag.
func (switchFlag) TakesValue() bool { return false }

// set sets the protocols' flags to what the command line gives, and makes the Specs with them.
func (c *catalog) set(network string) error {
	var errs []error
	for _, f := range c.flags {
		for _, text := range f.given {
			if err := f.Value.Set(text); err != nil {
				errs = append(errs, fmt.Errorf("--%s %q: %w", f.Name, text, err))
			}
		}
	}
	for i, m := range c.makers {
		c.specs[i] = m(network)
	}
	return errors.Join(errs...)
}

// protocolFlag is a protocol's flag on the command line. It records what the command line gives
// and does not parse it, so that all flag errors are reported together.
type protocolFlag struct {
	*flag.Flag
	protocol string
	given    []string
}

// Set implements cli.Value.
func (f *protocolFlag) Set(text string) error {
	f.given = append(f.given, text)
	return nil
}

// Get implements cli.Value.
func (f *protocolFlag) Get() any { return f.given }

// String implements cli.Value.
func (f *protocolFlag) String() string { return f.DefValue }

// IsBoolFlag says whether the flag needs no value.
func (f *protocolFlag) IsBoolFlag() bool {
	b, ok := f.Value.(interface{ IsBoolFlag() bool })
	return ok && b.IsBoolFlag()
}

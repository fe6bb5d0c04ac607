package main

import (
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"github.com/urfave/cli/v3"

	"github.com/troupe-p2p/troupe/node"
	"github.com/troupe-p2p/troupe/node/discovery"
	"github.com/troupe-p2p/troupe/protocols"
)

// maker makes a protocol's Spec for a network, one of discovery.Presets. What the Spec's flags set
// when the maker is called is in the Spec. The error is the reason why the protocol cannot run with
// what the command line says; the Spec has its flags even so.
type maker func(network string) (protocols.Spec, error)

// fixed returns the makers of a protocol whose Spec depends on neither.
func fixed(f func() protocols.Spec) func() maker {
	return func() maker {
		spec := f()
		return func(string) (protocols.Spec, error) { return spec, nil }
	}
}

// catalog has the Specs of the built-in protocols, for one command line: it sets their flags.
type catalog struct {
	protocols []*offered // in the order of their names
	flags     []*protocolFlag
}

// offered is a built-in protocol.
type offered struct {
	make maker
	spec protocols.Spec
	err  error // why it cannot run
}

// newCatalog makes the Specs of the built-in protocols. Their flags must not collide with each
// other or with those of the node.
func newCatalog(node []cli.Flag) (*catalog, error) {
	c := new(catalog)
	var specs []protocols.Spec
	for _, name := range builtinNames() {
		p := &offered{make: builtin[name]()}
		p.spec, p.err = p.make(discovery.Presets[0])
		if err := p.spec.Check(); err != nil {
			return nil, err
		}
		c.protocols, specs = append(c.protocols, p), append(specs, p.spec)
		if p.spec.Flags != nil {
			p.spec.Flags.VisitAll(func(f *flag.Flag) { c.flags = append(c.flags, &protocolFlag{Flag: f, protocol: name}) })
		}
	}
	var taken []string
	for _, f := range node {
		taken = append(taken, f.Names()...)
	}
	return c, protocols.CheckFlags(taken, specs...)
}

// find returns a protocol, or nil.
func (c *catalog) find(name string) *offered {
	i := slices.IndexFunc(c.protocols, func(p *offered) bool { return p.spec.Name == name })
	if i < 0 {
		return nil
	}
	return c.protocols[i]
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
			if err := f.Value.Set(f.expand(text)); err != nil {
				errs = append(errs, fmt.Errorf("--%s%s: %w", f.Name, f.shown(text), err))
			}
		}
	}
	for _, p := range c.protocols {
		p.spec, p.err = p.make(network)
	}
	return errors.Join(errs...)
}

// checkUsed returns an error if the command line has flags of a protocol that cannot run. Call set before.
func (c *catalog) checkUsed() error {
	var errs []error
	for _, f := range c.flags {
		if p := c.find(f.protocol); p.err != nil && len(f.given) > 0 {
			errs = append(errs, fmt.Errorf("--%s: protocol %s cannot run: %w", f.Name, f.protocol, p.err))
		}
	}
	return errors.Join(errs...)
}

// warnUnused logs which flags of the command line have no effect, because their protocols do not run. They
// have one as soon as the operator adds the protocol.
func (c *catalog) warnUnused(running []protocols.Spec, log *slog.Logger) {
	for _, p := range c.protocols {
		if slices.ContainsFunc(running, func(s protocols.Spec) bool { return s.Name == p.spec.Name }) {
			continue
		}
		var unused []string
		for _, f := range c.flags {
			if f.protocol == p.spec.Name && len(f.given) > 0 {
				unused = append(unused, "--"+f.Name)
			}
		}
		if len(unused) > 0 {
			log.Warn("flags have no effect: their protocol is not in --"+flagProtocols, "protocol", p.spec.Name, "flags", strings.Join(unused, ","))
		}
	}
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

// shown returns what an error says of the text of a flag.
func (f *protocolFlag) shown(text string) string {
	if s, ok := f.Value.(protocols.SecretFlag); ok && s.IsSecretFlag() {
		return ""
	}
	return fmt.Sprintf(" %q", text)
}

// expand expands the paths in the text of a flag for paths.
func (f *protocolFlag) expand(text string) string {
	if p, ok := f.Value.(protocols.PathFlag); !ok || !p.IsPathFlag() || strings.Contains(text, "://") {
		return text
	}
	paths := strings.Split(text, ",")
	for i, path := range paths {
		paths[i] = node.ExpandPath(strings.TrimSpace(path))
	}
	return strings.Join(paths, ",")
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

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/troupe-p2p/troupe/nat"
	"github.com/troupe-p2p/troupe/node"
)

const flagJSON = "json"

// reachability is the output of "node nat".
type reachability struct {
	Found    []nat.Found     `json:"found"`
	Problems []string        `json:"problems,omitempty"` // of the search
	Node     *node.NATStatus `json:"node,omitempty"`     // nil: no node runs with this data directory
	off      bool            // port mapping is disabled, so no search was made
}

// showNAT searches for routers and prints their answers and the NAT status of the running node.
// The exit code is 0 if a router can map ports, 3 if routers answered and none of them can, and 1
// if no router answered.
func showNAT(ctx context.Context, cmd *cli.Command) error {
	if _, err := onlyArgs(cmd, 0); err != nil {
		return err
	}
	spec := nat.Spec{}
	if cmd.IsSet(flagNAT) {
		var err error
		if spec, err = nat.Parse(cmd.String(flagNAT)); err != nil {
			return usage(fmt.Errorf("--%s: %w", flagNAT, err))
		}
	}
	r := reachability{Found: []nat.Found{}, off: spec.Off}
	if !spec.Off {
		found, problems := nat.Search(ctx, spec)
		r.Found = append(r.Found, found...)
		for _, err := range problems {
			r.Problems = append(r.Problems, err.Error())
		}
	}
	switch s, err := node.ReadNATStatus(cmd.String(flagDataDir)); {
	case err == nil:
		r.Node = &s
	case !errors.Is(err, fs.ErrNotExist):
		r.Problems = append(r.Problems, err.Error())
	}
	w := cmd.Root().Writer
	if cmd.Bool(flagJSON) {
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		if err := e.Encode(r); err != nil {
			return err
		}
	} else {
		r.print(w, time.Now())
	}
	return r.verdict()
}

// verdict returns the error that determines the exit code.
func (r *reachability) verdict() error {
	if r.off {
		return nil
	}
	for _, f := range r.Found {
		if f.Error == "" && f.Warning == "" {
			return nil
		}
	}
	if len(r.Found) == 0 {
		return errors.New("no router answered")
	}
	return &failure{errors.New("no router that answered can make this host reachable"), exitRefused}
}

const doubleAdvice = `
Double NAT: the router has no public address of its own, so the Internet cannot reach the ports that it maps.
A second router stands in front of it, in your house or at your provider. Put that router into bridge mode; or forward
the ports on it as well and start the node with --nat extip:IP; or ask your provider for a public address.
`

// print writes r as tables for people to read.
func (r *reachability) print(w io.Writer, now time.Time) {
	if r.off {
		fmt.Fprintln(w, "Not searched: port mapping is disabled.")
	} else {
		r.printRouters(w)
		r.printMappings(w, now)
	}
	r.printNode(w, now)
	if len(r.Problems) > 0 {
		fmt.Fprintln(w, "\nSearch problems:")
		printList(w, r.Problems)
	}
}

func (r *reachability) printRouters(w io.Writer) {
	if len(r.Found) == 0 {
		fmt.Fprintln(w, "No router answered over PCP, NAT-PMP or UPnP.")
		return
	}
	rows := [][]string{{"METHOD", "ROUTER", "ADDRESS", "EXTERNAL", ""}}
	double := false
	for _, f := range r.Found {
		method, external, says := string(f.Method), addrOrDash(f.External), f.Error
		if f.Kind != "" {
			method += " " + f.Kind
		}
		if f.Method == nat.MethodPCP && f.Error == "" {
			external = "given with a mapping"
		}
		if f.Other.IsValid() {
			external += ", " + f.Other.String()
		}
		if f.Warning != "" {
			double, says = true, f.Warning
		}
		rows = append(rows, []string{method, orDash(f.Router.Name), addrOrDash(f.Router.Addr), external, says})
	}
	printTable(w, rows)
	if double {
		fmt.Fprint(w, doubleAdvice)
	}
}

func (r *reachability) printMappings(w io.Writer, now time.Time) {
	rows := [][]string{{"METHOD", "PROTOCOL", "EXTERNAL", "INTERNAL", "TIME LEFT"}}
	for _, f := range r.Found {
		for _, p := range f.Mappings {
			rows = append(rows, []string{string(f.Method), p.Protocol, portOrDash(p.External), fmt.Sprint(p.Internal), left(p, now)})
		}
	}
	if len(rows) > 1 {
		fmt.Fprintln(w, "\nMappings to this host that the routers list, made by any program:")
		printTable(w, rows)
	}
}

// printNode prints the NAT status that the running node wrote. NAT-PMP and PCP cannot list
// mappings, so it is the only source for these, and for what neighbours see.
func (r *reachability) printNode(w io.Writer, now time.Time) {
	if r.Node == nil {
		fmt.Fprintln(w, "\nNo NAT status: no node runs with this data directory, or port mapping and hole punching are disabled or have not finished.")
		return
	}
	if !r.Node.Status.Since.IsZero() {
		r.printOwnMappings(w, now)
	}
	if s := r.Node.HolePunching; s != nil {
		printHolePunching(w, s, ago(now, r.Node.Written))
	}
}

func (r *reachability) printOwnMappings(w io.Writer, now time.Time) {
	s := r.Node.Status
	fmt.Fprintf(w, "\nThe node, as of %s ago: %v since %s", ago(now, r.Node.Written), s.State, s.Since.Local().Format(time.DateTime))
	if s.Method != "" {
		fmt.Fprintf(w, ", by %s", s.Method)
	}
	if name := s.Router.String(); name != "" {
		fmt.Fprintf(w, " of %s", name)
	}
	fmt.Fprintln(w)
	if e := s.External; e.IP.IsValid() {
		at := e.IP.String()
		if e.Other.IsValid() {
			at += " and " + e.Other.String()
		}
		fmt.Fprintf(w, "Other nodes reach it at %s (%v)\n", at, e.Confidence)
	}
	rows := [][]string{{"PROTOCOL", "EXTERNAL", "INTERNAL", "TIME LEFT", "PROVED", "LAST ERROR"}}
	for _, p := range s.Ports {
		proved := "no"
		if p.Proved {
			proved = "yes"
		}
		rows = append(rows, []string{p.Protocol, portOrDash(p.External), fmt.Sprint(p.Internal), left(p, now), proved, p.LastError})
	}
	printTable(w, rows)
	if len(s.Problems) > 0 {
		fmt.Fprintln(w, "Why routers did not map its ports:")
		printList(w, s.Problems)
	}
	if !s.NextTry.IsZero() && s.NextTry.After(now) {
		fmt.Fprintf(w, "The node searches for routers again in %s.\n", ago(s.NextTry, now))
	}
}

// left returns the time that a mapping still lasts, as text.
func left(p nat.PortStatus, now time.Time) string {
	switch {
	case p.External == 0:
		return "not mapped"
	case p.Permanent:
		return "permanent"
	case p.Ends.IsZero():
		return "no end" // no router granted it: the address needs no mapping
	case !p.Ends.After(now):
		return fmt.Sprintf("ended %v ago", ago(now, p.Ends))
	}
	return ago(p.Ends, now).String()
}

func ago(now, then time.Time) time.Duration { return now.Sub(then).Round(time.Second) }

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

func addrOrDash(a netip.Addr) string {
	if !a.IsValid() {
		return "-"
	}
	return a.String()
}

func portOrDash(p nat.ExternalPort) string {
	if p == 0 {
		return "-"
	}
	return fmt.Sprint(p)
}

// printTable aligns the columns and writes no blanks at the ends of lines.
func printTable(w io.Writer, rows [][]string) {
	var b strings.Builder
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, row := range rows {
		fmt.Fprintln(t, strings.Join(row, "\t"))
	}
	_ = t.Flush() // writing to a Builder never fails
	for line := range strings.Lines(b.String()) {
		fmt.Fprintln(w, strings.TrimRight(line, " \n"))
	}
}

func printList(w io.Writer, all []string) {
	for _, s := range all {
		fmt.Fprintln(w, "  -", s)
	}
}

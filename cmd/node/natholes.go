package main

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/troupe-p2p/troupe/node/punch"
)

// printHolePunching prints where neighbours see the running node, and how calls ended.
func printHolePunching(w io.Writer, s *punch.State, age time.Duration) {
	fmt.Fprintf(w, "\nThe node's own NAT, as of %s ago: %v\n", age, s.Belief)
	fmt.Fprintf(w, "Neighbours see the node at UDP %s, TCP %s\n", endpointOrUnknown(s.Observed), endpointOrUnknown(s.TCP))
	relays := make([]string, len(s.Relays))
	for i, id := range s.Relays {
		relays[i] = id.TerminalString()
	}
	fmt.Fprintln(w, "Relays:", orDash(strings.Join(relays, " ")))
	rows := [][]string{{"CALLS", "RESULT", "NUMBER"}}
	rows = append(rows, countsOf("made", s.Calls)...)
	rows = append(rows, countsOf("received", s.Rung)...)
	if s.Relayed > 0 {
		rows = append(rows, []string{"relayed", "", fmt.Sprint(s.Relayed)})
	}
	if s.Refused > 0 {
		rows = append(rows, []string{"over a limit", "refused", fmt.Sprint(s.Refused)})
	}
	if len(rows) > 1 {
		printTable(w, rows)
	}
}

// countsOf returns a row for each cause, the most frequent cause first.
func countsOf(calls string, counts map[string]uint64) [][]string {
	causes := slices.SortedFunc(maps.Keys(counts), func(a, b string) int {
		return cmp.Or(cmp.Compare(counts[b], counts[a]), strings.Compare(a, b))
	})
	var rows [][]string
	for _, cause := range causes {
		rows = append(rows, []string{calls, cause, fmt.Sprint(counts[cause])})
	}
	return rows
}

func endpointOrUnknown(at netip.AddrPort) string {
	if !at.IsValid() {
		return "unknown"
	}
	return at.String()
}

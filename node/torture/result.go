package torture

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
)

// Memory is the resident memory of the node's process, in bytes. It is not known if the node's
// process is not visible from here, or the system is not Linux.
type Memory struct {
	Known  bool `json:"known"`
	Before int  `json:"before"`
	Peak   int  `json:"peak"`
	After  int  `json:"after"`
	// Back is how long after the attack the memory was back within the bound.
	Back time.Duration `json:"back"`
}

// Traffic is what the attackers did.
type Traffic struct {
	Actions  uint64 `json:"actions"` // in the attack's unit
	Failed   uint64 `json:"failed"`  // actions that failed at once, such as refused connections
	Sent     uint64 `json:"sent"`    // bytes
	Received uint64 `json:"received"`
}

// Result is what one attack, or all together, did to the node.
type Result struct {
	Attack string `json:"attack"`
	NotRun string `json:"notRun,omitempty"` // why it was not run

	// Baseline is the rate of the honest links that During is compared with: while the same
	// attack ran against the other node, or without any attack.
	Baseline, During, After Pace
	HonestLost              int // honest links that ended

	Memory  Memory
	Traffic Traffic
	Ends    []Ends // how the node says that the attackers' connections ended
	Open    int    // connections whose end the node has not reported
	Missed  uint64 // ends that the node could not report, because there were too many at once

	Broken []string // the bounds that were exceeded, in words
}

// Share returns the rate during the attack as a share of the baseline.
func (r *Result) Share() float64 {
	if r.Baseline.PerSecond == 0 {
		return 0
	}
	return r.During.PerSecond / r.Baseline.PerSecond
}

// Report is the result of a run.
type Report struct {
	Quiet   Pace // without any attack
	Beside  bool // the baselines are with the attack against another node
	Results []Result
}

// Broken reports whether a bound was exceeded.
func (r *Report) Broken() bool {
	for i := range r.Results {
		if len(r.Results[i].Broken) > 0 {
			return true
		}
	}
	return false
}

// Print writes the report as a table, and below it how the attackers' connections ended.
func (r *Report) Print(w io.Writer) error {
	out := &printer{w: w}
	out.printf("honest links without an attack: %.0f answers a second, longest gap %v\n\n", r.Quiet.PerSecond, short(r.Quiet.Gap))
	base := "no attack"
	if r.Beside {
		base = "attack on the other node"
	}
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "ATTACK\tACTIONS\tRATE\tBASELINE (%s)\tSHARE\tGAP\tBASELINE GAP\tGAP AFTER\tMEMORY MiB before/peak/after\tBOUNDS\n", base)
	for i := range r.Results {
		res := &r.Results[i]
		if res.NotRun != "" {
			fmt.Fprintf(t, "%s\tNOT RUN: %s\n", res.Attack, res.NotRun)
			continue
		}
		verdict := "kept"
		if len(res.Broken) > 0 {
			verdict = "BROKEN"
		}
		fmt.Fprintf(t, "%s\t%d\t%.0f/s\t%.0f/s\t%.2f\t%v\t%v\t%v\t%s\t%s\n", res.Attack, res.Traffic.Actions, res.During.PerSecond,
			res.Baseline.PerSecond, res.Share(), short(res.During.Gap), short(res.Baseline.Gap), short(res.After.Gap), res.Memory.row(), verdict)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for i := range r.Results {
		r.Results[i].printEnds(out)
	}
	return out.err
}

func (m *Memory) row() string {
	if !m.Known {
		return "unknown"
	}
	row := fmt.Sprintf("%d/%d/%d", m.Before>>20, m.Peak>>20, m.After>>20)
	if m.Back > 0 {
		row += fmt.Sprintf(" (%v later)", m.Back.Round(time.Second))
	}
	return row
}

func (r *Result) printEnds(out *printer) {
	if r.NotRun != "" {
		return
	}
	out.printf("\n%s: %d actions (%d failed at once), %s sent, %s received\n", r.Attack, r.Traffic.Actions, r.Traffic.Failed,
		size(r.Traffic.Sent), size(r.Traffic.Received))
	for _, e := range r.Ends {
		mark := " "
		if !e.Named {
			mark = "?" // the cause does not name the attack
		}
		out.printf("%s %6d  %s\n", mark, e.Count, e.Cause)
	}
	if r.Open > 0 {
		out.printf("  %6d  not reported yet\n", r.Open)
	}
	if r.Missed > 0 {
		out.printf("  %6d  events lost: more than the node could report\n", r.Missed)
	}
	for _, b := range r.Broken {
		out.printf("  BROKEN: %s\n", b)
	}
}

// printer writes until the first error.
type printer struct {
	w   io.Writer
	err error
}

func (p *printer) Write(b []byte) (int, error) {
	if p.err != nil {
		return 0, p.err
	}
	var n int
	n, p.err = p.w.Write(b)
	return n, p.err
}

func (p *printer) printf(format string, args ...any) {
	fmt.Fprintf(p, strings.ReplaceAll(format, "\t", "  "), args...)
}

func short(d time.Duration) time.Duration {
	if d > 10*time.Millisecond {
		return d.Round(time.Millisecond)
	}
	return d.Round(10 * time.Microsecond)
}

func size(bytes uint64) string {
	switch {
	case bytes >= 10<<20:
		return fmt.Sprintf("%d MiB", bytes>>20)
	case bytes >= 10<<10:
		return fmt.Sprintf("%d KiB", bytes>>10)
	}
	return fmt.Sprintf("%d B", bytes)
}

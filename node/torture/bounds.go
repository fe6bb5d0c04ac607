package torture

import "fmt"

// Bounds are what an attack may cost. A zero bound is not checked.
type Bounds struct {
	Rate   float64 // least rate of the honest links, as a share of the baseline
	Memory int     // most growth of the node's memory during the attack, in bytes
	Left   int     // most of that growth that is left after the attack, in bytes
}

// DefaultBounds are the bounds of the command. ARCHITECTURE.md says what the node's memory is
// made of: one pool of 256 MiB for what waits inbound, and as much in the collector's slack.
var DefaultBounds = Bounds{Rate: 0.5, Memory: 512 << 20, Left: 20 << 20}

// broken lists the bounds that a result exceeds, in words.
func (b Bounds) broken(r *Result) (list []string) {
	if r.NotRun != "" {
		return nil
	}
	if share := r.Share(); b.Rate > 0 && share < b.Rate {
		list = append(list, fmt.Sprintf("honest links kept %.0f%% of their rate, want at least %.0f%%", 100*share, 100*b.Rate))
	}
	if m := r.Memory; m.Known {
		if grown := m.Peak - m.Before; b.Memory > 0 && grown > b.Memory {
			list = append(list, fmt.Sprintf("memory grew by %d MiB, want at most %d", grown>>20, b.Memory>>20))
		}
		if left := m.After - m.Before; b.Left > 0 && left > b.Left {
			list = append(list, fmt.Sprintf("%d MiB of memory did not come back, want at most %d", left>>20, b.Left>>20))
		}
	}
	if r.HonestLost > 0 {
		list = append(list, fmt.Sprintf("%d honest links ended", r.HonestLost))
	}
	for _, e := range r.Ends {
		if !e.Named {
			list = append(list, fmt.Sprintf("%d connections ended with a cause that does not name the attack: %s", e.Count, e.Cause))
		}
	}
	return list
}

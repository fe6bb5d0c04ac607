//go:build unix

package protocols_test

import (
	"slices"
	"testing"
	"time"

	"github.com/troupe-p2p/troupe/actors"
	"github.com/troupe-p2p/troupe/actors/supervise"
)

// What trouble in one protocol costs another one on the same link.

const (
	roundOf    = 50_000                // messages in a round
	stormEvery = 50 * time.Millisecond // between two panics
)

// BenchmarkNeighbour measures the throughput of a protocol while its neighbour on the link
// is in trouble, against that while the neighbour is idle. One operation is a round of
// each, in an order that changes with each operation; what counts is the median of the
// operations' ratios, so that whatever else the machine does disturbs both alike. 32 bytes
// a message; both nodes are in this process and log as JSON, with stacks.
//
//	go test -run '^$' -bench Neighbour -benchtime 150x ./protocols
func BenchmarkNeighbour(b *testing.B) {
	for _, c := range []struct {
		name    string
		trouble func(*testing.B, *neighbours) (stop func() (panics int))
	}{
		{"idle", func(*testing.B, *neighbours) func() int { return func() int { return 0 } }}, // what noise there is
		{"storm", storm},
		{"stall", stall},
	} {
		b.Run(c.name, func(b *testing.B) {
			n := newNeighbours(b)
			msg := &text{S: "hello", B: make([]byte, 24)}
			n.round(b, roundOf, msg) // pools and stacks
			var ratios, cpuRatios []float64
			var seconds float64
			panics := 0
			measure := func() (wall, cpu float64) {
				before := cpuTime(b)
				wall = n.round(b, roundOf, msg).Seconds()
				return wall, (cpuTime(b) - before).Seconds()
			}
			for b.Loop() {
				var calm, ill, calmCPU, illCPU float64
				for half := range 2 {
					if (half+len(ratios))%2 == 0 {
						calm, calmCPU = measure()
						continue
					}
					stop := c.trouble(b, n)
					ill, illCPU = measure()
					panics += stop()
					seconds += ill
				}
				ratios, cpuRatios = append(ratios, ill/calm), append(cpuRatios, illCPU/calmCPU)
			}
			b.ReportMetric(100*(1-1/median(ratios)), "%lost")
			b.ReportMetric(100*(median(cpuRatios)-1), "%more-cpu")
			b.ReportMetric(float64(panics)/seconds, "panics/s")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// storm is a panic each 50 ms, the first one at once. They are injected, because the
// supervisor calms a storm of others by its backoff: there would be one a second in the end.
func storm(_ *testing.B, n *neighbours) (stop func() int) {
	return every(stormEvery, func() {
		supervise.Send(n.root, n.illAtB.Self(), &supervise.Inject{})
		n.awaitLife()
	})
}

// every does something again and again. What stop returns is how often.
func every(d time.Duration, do func()) (stop func() int) {
	stopped, count := make(chan struct{}), make(chan int)
	go func() {
		ticker := time.NewTicker(d)
		defer ticker.Stop()
		for times := 1; ; times++ {
			do()
			select {
			case <-ticker.C:
			case <-stopped:
				count <- times
				return
			}
		}
	}()
	return func() int {
		close(stopped)
		return <-count
	}
}

// stall lets ill hang over a message, with half of its budget read and not handled.
func stall(b *testing.B, n *neighbours) (stop func() int) {
	over := make(chan struct{})
	n.hang <- over
	for _, msg := range []any{&ask{N: stalls}, &text{B: noise(actors.DefaultBudget / 4)}, &text{B: noise(actors.DefaultBudget / 4)}} {
		if err := n.illAtA.Send(msg); err != nil {
			b.Fatal(err)
		}
	}
	n.round(b, roundOf/5, &text{}) // until it is read
	return func() int {
		close(over)
		return 0
	}
}

func median(of []float64) float64 {
	slices.Sort(of)
	return of[len(of)/2]
}

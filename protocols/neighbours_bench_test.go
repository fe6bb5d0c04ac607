//go:build unix

package protocols_test

import (
	"slices"
	"testing"
	"time"

	"github.com/troupe-p2p/troupe/actors"
	"github.com/troupe-p2p/troupe/actors/supervise"
)

// Constants of the benchmark of one protocol next to a faulty one on the same link.

const (
	roundOf    = 50_000                // messages in a round
	stormEvery = 50 * time.Millisecond // between two panics
)

// BenchmarkNeighbour measures the throughput of a protocol while the faulty protocol on the same
// link crashes or stalls, relative to the throughput while the faulty one is idle. One operation
// is a round of each, in an order that changes with each operation. The result is the median of
// the operations' ratios, so that other load on the machine affects both alike. A message has 32
// bytes; both nodes are in this process and log as JSON, with stacks.
//
//	go test -run '^$' -bench Neighbour -benchtime 150x ./protocols
func BenchmarkNeighbour(b *testing.B) {
	for _, c := range []struct {
		name    string
		trouble func(*testing.B, *neighbours) (stop func() (panics int))
	}{
		{"idle", func(*testing.B, *neighbours) func() int { return func() int { return 0 } }}, // the measurement noise
		{"storm", storm},
		{"stall", stall},
	} {
		b.Run(c.name, func(b *testing.B) {
			n := newNeighbours(b)
			msg := &text{S: "hello", B: make([]byte, 24)}
			n.round(b, roundOf, msg) // fills pools and grows stacks
			var ratios, cpuRatios []float64
			var seconds float64
			panics := 0
			measure := func() (wall, cpu float64) {
				before := cpuTime(b)
				wall = n.round(b, roundOf, msg).Seconds()
				return wall, (cpuTime(b) - before).Seconds()
			}
			for b.Loop() {
				var calm, faulty, calmCPU, illCPU float64
				for half := range 2 {
					if (half+len(ratios))%2 == 0 {
						calm, calmCPU = measure()
						continue
					}
					stop := c.trouble(b, n)
					faulty, illCPU = measure()
					panics += stop()
					seconds += faulty
				}
				ratios, cpuRatios = append(ratios, faulty/calm), append(cpuRatios, illCPU/calmCPU)
			}
			b.ReportMetric(100*(1-1/median(ratios)), "%lost")
			b.ReportMetric(100*(median(cpuRatios)-1), "%more-cpu")
			b.ReportMetric(float64(panics)/seconds, "panics/s")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// storm is a panic each 50 ms, the first one at once. The panics are injected, because the
// supervisor's backoff would slow down others to one a second.
func storm(_ *testing.B, n *neighbours) (stop func() int) {
	return every(stormEvery, func() {
		supervise.Send(n.root, n.faultyAtB.Self(), &supervise.Inject{})
		n.awaitIncarnation()
	})
}

// every calls do repeatedly. stop returns the number of calls.
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

// stall makes the faulty protocol hang in a message, with half of its budget read and not
// handled.
func stall(b *testing.B, n *neighbours) (stop func() int) {
	over := make(chan struct{})
	n.hang <- over
	for _, msg := range []any{&ask{N: stalls}, &text{B: noise(actors.DefaultBudget / 4)}, &text{B: noise(actors.DefaultBudget / 4)}} {
		if err := n.faultyAtA.Send(msg); err != nil {
			b.Fatal(err)
		}
	}
	n.round(b, roundOf/5, &text{}) // until that is read
	return func() int {
		close(over)
		return 0
	}
}

func median(of []float64) float64 {
	slices.Sort(of)
	return of[len(of)/2]
}

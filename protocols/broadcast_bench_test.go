//go:build unix

package protocols_test

import (
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/troupe-p2p/troupe/protocols"
)

// cpuTime returns the CPU time that the process has used so far.
func cpuTime(tb testing.TB) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		tb.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkBroadcast sends 100 KiB to 500 links, alternately by one broadcast and by 500 Sends.
// It reports the CPU time of both, and their ratio: the broadcast's time divided by the time of
// the Sends. Every link seals separately, so the ratio is better if there is more to compress.
func BenchmarkBroadcast(b *testing.B) {
	const links = 500
	for name, body := range map[string][]byte{"prose": prose(100 << 10), "noise": noise(100 << 10)} {
		b.Run(name, func(b *testing.B) {
			spec := talk(idle)
			spec.Limits.Outbox = 4 << 20
			f := newFan(b, links, spec)
			news := &text{B: body}
			total := links * frameOf(b, encode(b, news))
			measure := func(send func()) time.Duration {
				done := f.await(total)
				before := cpuTime(b)
				send()
				<-done
				return cpuTime(b) - before
			}
			broadcast := func() {
				if d, err := protocols.Broadcast(slices.Values(f.links), news, protocols.Drop); err != nil || d.Queued != links {
					b.Fatalf("delivered %+v, %v", d, err)
				}
			}
			sends := func() {
				for _, l := range f.links {
					if err := l.Send(news); err != nil {
						b.Fatal(err)
					}
				}
			}
			measure(broadcast) // fills pools and grows stacks
			measure(sends)
			var once, each time.Duration
			for b.Loop() {
				once += measure(broadcast)
				each += measure(sends)
			}
			b.ReportMetric(float64(once.Microseconds())/1000/float64(b.N), "broadcast-cpu-ms")
			b.ReportMetric(float64(each.Microseconds())/1000/float64(b.N), "sends-cpu-ms")
			b.ReportMetric(float64(once)/float64(each), "cpu-ratio")
			b.ReportMetric(0, "ns/op")
		})
	}
}

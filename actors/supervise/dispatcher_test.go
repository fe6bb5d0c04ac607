package supervise_test

import (
	"sync"
	"testing"

	"github.com/troupe-p2p/troupe/actors/actortest"
	"github.com/troupe-p2p/troupe/actors/supervise"
)

// TestDispatcher: everything scheduled runs, on goroutines that are reused; Close ends them, and
// later work runs nevertheless.
func TestDispatcher(t *testing.T) {
	d := supervise.NewDispatcher()
	var wg sync.WaitGroup
	run := func(n int) {
		for range n {
			wg.Add(1)
			d.Schedule(wg.Done)
		}
		wg.Wait()
	}
	run(1000)
	run(1)
	actortest.Eventually(t, "a goroutine waits for work", func() bool { return d.Parked() > 0 })
	if n := d.Parked(); n > supervise.ParkedWorkers {
		t.Errorf("%d goroutines wait for work", n)
	}
	d.Close()
	run(10)
	actortest.Eventually(t, "no goroutine waits after Close", func() bool { return d.Parked() == 0 })
	if d.Throughput() != supervise.Throughput {
		t.Errorf("throughput %d", d.Throughput())
	}
}

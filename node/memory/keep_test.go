package memory_test

import (
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/troupe-p2p/troupe/actors/actortest"
	"github.com/troupe-p2p/troupe/node/memory"
	"github.com/troupe-p2p/troupe/node/nodetest"
)

// TestKeep: after a peak, memory is released once, within half a minute; never after stop.
func TestKeep(t *testing.T) {
	actortest.Bubble(t, func(t *testing.T) {
		m, releases, log := memory.Reading{Held: 35 << 20, Goal: 20 << 20}, 0, new(nodetest.Log)
		stop := memory.Keep(memory.Config{
			Logger:  log.Logger(),
			Read:    func() memory.Reading { return m },
			Release: func() { releases++; m.Held = 38 << 20 },
		})
		actortest.After(10 * time.Minute)
		if releases != 0 {
			t.Errorf("%d releases before the peak", releases)
		}
		for range 12 {
			m.Held, m.Allocated = 450<<20, m.Allocated+1<<30
			actortest.After(5 * time.Second)
		}
		if releases != 0 {
			t.Errorf("%d releases during the peak", releases)
		}
		actortest.After(30 * time.Second)
		if releases != 1 || m.Held > 55<<20 {
			t.Errorf("%d releases within 30 s of the peak's end, %d bytes are held", releases, m.Held)
		}
		if lines := log.Lines("memory returned"); len(lines) != 1 || !strings.Contains(lines[0], "471859200") {
			t.Errorf("log: %q", lines)
		}
		actortest.After(time.Hour)
		m.Held = 450 << 20
		stop()
		actortest.After(time.Hour)
		if releases != 1 {
			t.Errorf("%d releases", releases)
		}
	})
}

// TestRelease: one Release empties a pool and returns what was in it.
func TestRelease(t *testing.T) {
	const size = 64 << 20
	defer debug.SetGCPercent(debug.SetGCPercent(-1)) // no collection by itself
	memory.Release()
	before := memory.Read()
	var pool sync.Pool
	for range 64 {
		b := make([]byte, size/64)
		for i := 0; i < len(b); i += 4096 {
			b[i] = 1
		}
		pool.Put(&b)
	}
	peak := memory.Read()
	if peak.Held < before.Held+size/2 || peak.Objects < before.Objects+size || peak.Allocated < before.Allocated+size {
		t.Errorf("with %d bytes more: %+v became %+v", size, before, peak)
	}
	memory.Release()
	after := memory.Read()
	if after.Held > before.Held+size/4 || after.Allocated < peak.Allocated {
		t.Errorf("%+v became %+v, and after the release %+v", before, peak, after)
	}
	runtime.KeepAlive(&pool)
}

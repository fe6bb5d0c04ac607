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
		log, p := new(nodetest.Log), &process{now: memory.Reading{Held: 35 << 20, Goal: 20 << 20}}
		stop := memory.Keep(memory.Config{Logger: log.Logger(), Read: p.read, Release: p.release})
		actortest.After(10 * time.Minute)
		if n := p.released(); n != 0 {
			t.Errorf("%d releases before the peak", n)
		}
		for range 12 {
			p.hold(450<<20, 1<<30)
			actortest.After(5 * time.Second)
		}
		if n := p.released(); n != 0 {
			t.Errorf("%d releases during the peak", n)
		}
		actortest.After(30 * time.Second)
		if n, held := p.released(), p.read().Held; n != 1 || held > 55<<20 {
			t.Errorf("%d releases within 30 s of the peak's end, %d bytes are held", n, held)
		}
		if lines := log.Lines("memory returned"); len(lines) != 1 || !strings.Contains(lines[0], "471859200") {
			t.Errorf("log: %q", lines)
		}
		actortest.After(time.Hour)
		p.hold(450<<20, 0)
		stop()
		actortest.After(time.Hour)
		if n := p.released(); n != 1 {
			t.Errorf("%d releases", n)
		}
	})
}

// process is the memory of a process, which the keeper reads from timers' goroutines.
type process struct {
	mu       sync.Mutex
	now      memory.Reading
	releases int
}

func (p *process) read() memory.Reading {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.now
}

func (p *process) release() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.releases++
	p.now.Held = 38 << 20
}

func (p *process) released() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.releases
}

// hold sets what the process holds, after it has allocated more bytes.
func (p *process) hold(held, allocated uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.now.Held, p.now.Allocated = held, p.now.Allocated+allocated
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

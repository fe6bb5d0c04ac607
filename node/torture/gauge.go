package torture

import (
	"sync"
	"time"
)

// gaugeInterval is the time between two looks at a process's memory.
const gaugeInterval = 50 * time.Millisecond

// gauge follows the resident memory of a process.
type gauge struct {
	process process
	known   bool

	quit chan struct{}
	work sync.WaitGroup
	mu   sync.Mutex
	most int
}

// gaugeOf begins to follow a process. The caller stops it.
func gaugeOf(p process) *gauge {
	g := &gauge{process: p, quit: make(chan struct{})}
	_, g.known = p.resident()
	g.work.Go(g.run)
	return g
}

func (g *gauge) run() {
	tick := time.NewTicker(gaugeInterval)
	defer tick.Stop()
	for {
		g.note(g.now())
		select {
		case <-tick.C:
		case <-g.quit:
			return
		}
	}
}

func (g *gauge) note(bytes int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.most = max(g.most, bytes)
}

// now returns the memory now, in bytes; zero if it is not known.
func (g *gauge) now() int {
	bytes, _ := g.process.resident()
	return bytes
}

// peak returns the highest memory so far.
func (g *gauge) peak() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.most
}

func (g *gauge) stop() {
	close(g.quit)
	g.work.Wait()
}

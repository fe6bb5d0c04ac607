package torture

import (
	"sync"
	"time"
)

// meter measures one honest link: how many answers it gets, and the longest time without one. It
// is safe for concurrent use.
type meter struct {
	mu      sync.Mutex
	count   int
	last    time.Time // of the last answer, or the start of the window
	longest time.Duration
}

// answered counts an answer.
func (m *meter) answered(at time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.count++
	m.longest = max(m.longest, at.Sub(m.last))
	m.last = at
}

// next ends a window and begins the next one. A gap that lasts is counted in both, in each as far
// as it lies there.
func (m *meter) next(at time.Time) (count int, longest time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	count, longest = m.count, max(m.longest, at.Sub(m.last))
	m.count, m.longest, m.last = 0, 0, at
	return count, longest
}

// Pace is how honest links fared for a time.
type Pace struct {
	PerSecond float64       `json:"perSecond"` // answers of all links
	Gap       time.Duration `json:"gap"`       // the longest time without an answer on one link
}

// paceOf ends a window of all meters. The window began length ago.
func paceOf(meters []*meter, at time.Time, length time.Duration) Pace {
	var p Pace
	for _, m := range meters {
		count, gap := m.next(at)
		p.PerSecond += float64(count)
		p.Gap = max(p.Gap, gap)
	}
	p.PerSecond /= max(length, time.Millisecond).Seconds()
	return p
}

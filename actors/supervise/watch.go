package supervise

import (
	"sync"
	"time"
)

// aftermath is how long what fails may be due to a stall that is over: links whose remotes hung up
// meanwhile are found dead within that time.
const aftermath = 10 * time.Second

// Resumed tells an actor that the node did not run for a time, or that the wall clock was set. Its
// timers may be late, and remotes may have given up.
type Resumed struct {
	Late
	// For is how long the node did not run. 0: it did run.
	For time.Duration
	// Jump is how far the wall clock was set, back if negative. 0: it was not.
	Jump time.Duration
}

// Watch notices when a node did not run, because the process was stopped, or the machine suspended
// or paused, and when the wall clock was set. It looks at the clocks once a second, and whenever it
// is asked: so its answer is right also for what runs before the next look. A nil Watch has noticed
// nothing. Its methods are safe from any goroutine.
type Watch struct {
	clock Clock
	tell  func(Resumed)

	mu      sync.Mutex
	seen    stalls
	timer   Timer
	started bool
	stopped bool
}

// NewWatch makes a Watch. It calls tell for each stall and each jump of the wall clock, in any
// goroutine; tell must not block. The Watch begins with Start.
func NewWatch(clock Clock, tell func(Resumed)) *Watch { return &Watch{clock: clock, tell: tell} }

// Start begins to look at the clocks.
func (w *Watch) Start() {
	w.mu.Lock()
	w.started = true
	w.mu.Unlock()
	w.look()
	w.arm()
}

// Stop ends the looks.
func (w *Watch) Stop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stopped = true
	if w.timer != nil {
		w.timer.Stop()
	}
}

func (w *Watch) arm() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.stopped {
		w.timer = w.clock.AfterFunc(lookEvery, func() { w.look(); w.arm() })
	}
}

// look looks at the clocks.
func (w *Watch) look() {
	if c, ok := w.clock.(*systemClock); ok {
		c.look()
	}
	var stalled, jumped time.Duration
	w.mu.Lock()
	if w.started && !w.stopped {
		now := w.clock.Now()
		stalled, jumped = w.seen.look(now, WallTime(w.clock, now))
	}
	w.mu.Unlock()
	if stalled != 0 || jumped != 0 {
		w.tell(Resumed{For: stalled, Jump: jumped})
	}
}

// Lost returns for how long the node did not run since then.
func (w *Watch) Lost(since time.Time) time.Duration {
	if w == nil {
		return 0
	}
	w.look()
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.seen.lost(since)
}

// Resumed returns when the node ran again after the last stall, zero if there was none.
func (w *Watch) Resumed() time.Time {
	if w == nil {
		return time.Time{}
	}
	w.look()
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.seen.resumed()
}

// Aftermath reports whether the node did not run until a short time ago. What a remote did not do
// in time, or ended, may then be due to that, and is not the remote's fault.
func (w *Watch) Aftermath() bool {
	at := w.Resumed()
	return !at.IsZero() && w.clock.Now().Sub(at) < aftermath
}

// Grace is what is left at least of a wait for a remote after a stall, see [Watch.AfterFunc].
const Grace = 5 * time.Second

// AfterFunc is the clock's AfterFunc for a wait for something that may have come during a stall, and
// that nothing has read yet: if the node did not run meanwhile, f runs later, by d or [Grace],
// whichever is less. A nil Watch calls the clock.
func (w *Watch) AfterFunc(clock Clock, d time.Duration, f func()) Timer {
	if w == nil {
		return clock.AfterFunc(d, f)
	}
	t := &patientTimer{watch: w, run: f}
	t.arm(d)
	return t
}

// patientTimer is the Timer of Watch.AfterFunc.
type patientTimer struct {
	watch *Watch
	run   func()

	mu      sync.Mutex
	timer   Timer
	stopped bool // or run
}

func (t *patientTimer) arm(d time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.stopped {
		since := t.watch.clock.Now()
		t.timer = t.watch.clock.AfterFunc(d, func() { t.due(since, d) })
	}
}

func (t *patientTimer) due(since time.Time, d time.Duration) {
	if t.watch.Lost(since) != 0 {
		t.arm(min(d, Grace))
		return
	}
	if t.Stop() {
		t.run()
	}
}

// Stop implements Timer.
func (t *patientTimer) Stop() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.stopped {
		return false
	}
	t.stopped = true
	t.timer.Stop()
	return true
}

package memory

import (
	"slices"
	"testing"
	"time"
)

// TestRule plays courses of memory through the rule. A step is a reading five seconds after the
// one before; the heap's goal is 1 MiB more than what is on the heap.
func TestRule(t *testing.T) {
	const (
		still = 10 << 10 // allocated between two readings, in bytes: the collector runs in 8 minutes
		busy  = 10 << 20 // in half a second
	)
	type step struct {
		held      uint64 // MiB
		allocated uint64 // since the step before
	}
	repeat := func(n int, s step) []step { return slices.Repeat([]step{s}, n) }
	for _, tt := range []struct {
		name  string
		steps []step
		after uint64 // what a release leaves, MiB
		want  []int  // the steps that release
	}{
		{"nothing happens", repeat(100, step{35, still}), 35, nil},
		{"a peak", slices.Concat(repeat(3, step{35, still}), repeat(4, step{450, busy}), repeat(60, step{450, still})), 38, []int{9}},
		{"a peak that never ends", slices.Concat(repeat(3, step{35, still}), repeat(60, step{450, busy})), 38, nil},
		{"a peak with short breaks", slices.Concat(repeat(3, step{35, still}),
			slices.Repeat([]step{{450, busy}, {450, still}, {450, still}}, 10)), 38, nil},
		{"a little more than before", slices.Concat(repeat(3, step{35, still}), repeat(30, step{50, still})), 35, nil},
		{"much more that is in use", slices.Concat(repeat(3, step{35, still}), repeat(100, step{450, still})), 450, []int{3, 7, 15, 31}},
		{"the collector and the system have done it", slices.Concat(repeat(3, step{35, still}), repeat(4, step{450, busy}), repeat(30, step{40, still})), 40, nil},
		{"two peaks within a minute", slices.Concat(repeat(1, step{35, still}),
			repeat(2, step{450, busy}), repeat(3, step{450, still}),
			repeat(2, step{450, busy}), repeat(30, step{450, still})), 35, []int{5, 17}},
		{"a large process", slices.Concat(repeat(3, step{2000, still}), repeat(30, step{2100, still}), repeat(30, step{2140, still})), 2000, []int{33}},
		{"it grows and shrinks", slices.Concat(repeat(1, step{100, still}), repeat(9, step{35, still}), repeat(10, step{60, still})), 35, []int{10}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var r rule
			now, allocated := time.Unix(1000, 0), uint64(5<<30)
			var got []int
			var released step // the release lasts while this step repeats
			for i, s := range tt.steps {
				now, allocated = now.Add(interval), allocated+s.allocated
				held := s.held << 20
				if s == released {
					held = tt.after << 20
				} else {
					released = step{}
				}
				m := Reading{Held: held, Objects: 30 << 20, Goal: 31 << 20, Allocated: allocated}
				if r.due(now, m) {
					got, released = append(got, i), s
					m.Held = tt.after << 20
					r.released(now, m)
				}
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("releases in the steps %v, want %v", got, tt.want)
			}
		})
	}
}

// TestReleaseThatCameTooEarly: a release that leaves the process with more than it got by with is
// repeated 20 s later, so that a minute of quiet is enough.
func TestReleaseThatCameTooEarly(t *testing.T) {
	var r rule
	now := time.Unix(1000, 0)
	due := func(held uint64) bool {
		now = now.Add(interval)
		return r.due(now, Reading{Held: held << 20, Objects: 8 << 20, Goal: 400 << 20, Allocated: 5 << 30})
	}
	if due(35) {
		t.Fatal("released at the first reading")
	}
	var releases []time.Duration
	began, left := now, []uint64{95, 38}
	for held := uint64(450); now.Sub(began) < time.Hour; {
		if due(held) {
			held = left[min(len(releases), len(left)-1)]
			r.released(now, Reading{Held: held << 20, Objects: 8 << 20, Goal: 9 << 20, Allocated: 5 << 30})
			releases = append(releases, now.Sub(began))
		}
	}
	if want := []time.Duration{15 * time.Second, 35 * time.Second}; !slices.Equal(releases, want) {
		t.Errorf("releases after %v, want %v", releases, want)
	}
}

// TestQuiet: a process is quiet while the collector does not run within a minute at the present
// rate of allocation, whatever is on the heap.
func TestQuiet(t *testing.T) {
	for _, tt := range []struct {
		left      uint64 // bytes until the collector runs
		allocated uint64 // in five seconds
		soon      bool
	}{
		{1 << 20, 0, false},
		{1 << 20, 10 << 10, false},
		{12 << 20, 1<<20 - 1, false},
		{12 << 20, 1 << 20, true},
		{400 << 20, 30 << 20, false}, // 6 MiB a second, after a large peak
		{400 << 20, 40 << 20, true},
		{0, 1, true},
	} {
		m := Reading{Objects: 4 << 20, Goal: 4<<20 + tt.left}
		if got := runsSoon(m, tt.allocated, 5*time.Second); got != tt.soon {
			t.Errorf("%d bytes left, %d allocated in 5 s: the collector runs soon: %v, want %v", tt.left, tt.allocated, got, tt.soon)
		}
	}
	if m := (Reading{Objects: 5 << 20, Goal: 4 << 20}); !runsSoon(m, 0, 5*time.Second) {
		t.Error("the collector does not run soon though the heap is beyond its goal")
	}
}

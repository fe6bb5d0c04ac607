package supervise_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/troupe-p2p/troupe/actors/actortest"
	"github.com/troupe-p2p/troupe/actors/supervise"
)

// TestWatch: what a Watch reports for what happens to the clocks.
func TestWatch(t *testing.T) {
	const look = 2 * time.Second // longer than the interval of the looks
	tests := []struct {
		name      string
		do        func(c *actortest.Clock)
		stalled   time.Duration // give or take the interval
		jumped    time.Duration
		reported  int
		aftermath bool // right after it
	}{
		{name: "nothing", do: func(*actortest.Clock) {}},
		{name: "an hour in which it runs", do: func(*actortest.Clock) { actortest.After(time.Hour) }},
		{name: "stopped for 70 s", do: func(c *actortest.Clock) { c.Stop(); actortest.After(70 * time.Second); c.Continue() },
			stalled: 70 * time.Second, reported: 1, aftermath: true},
		{name: "stopped for 3 s, as a busy machine does", do: func(c *actortest.Clock) { c.Stop(); actortest.After(3 * time.Second); c.Continue() }},
		{name: "suspended for eight hours", do: func(c *actortest.Clock) { c.Suspend(); actortest.After(8 * time.Hour); c.Resume() },
			stalled: 8 * time.Hour, reported: 1, aftermath: true},
		{name: "wall clock set forward", do: func(c *actortest.Clock) { c.Set(3 * time.Hour) }, jumped: 3 * time.Hour, reported: 1},
		{name: "wall clock set back", do: func(c *actortest.Clock) { c.Set(-3 * time.Hour) }, jumped: -3 * time.Hour, reported: 1},
		{name: "wall clock corrected by 2 s", do: func(c *actortest.Clock) { c.Set(2 * time.Second) }},
		{name: "suspended, and the wall clock set back meanwhile",
			do:      func(c *actortest.Clock) { c.Suspend(); actortest.After(time.Hour); c.Set(-time.Hour); c.Resume() },
			stalled: time.Hour, jumped: -time.Hour, reported: 1, aftermath: true},
		{name: "stopped twice", do: func(c *actortest.Clock) {
			for range 2 {
				c.Stop()
				actortest.After(30 * time.Second)
				c.Continue()
				actortest.After(look)
			}
		}, stalled: time.Minute, reported: 2, aftermath: true},
		{name: "stopped a while ago", do: func(c *actortest.Clock) {
			c.Stop()
			actortest.After(30 * time.Second)
			c.Continue()
			actortest.After(time.Minute)
		}, stalled: 30 * time.Second, reported: 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				clock := new(actortest.Clock)
				reports := make(chan supervise.Resumed, 8)
				w := supervise.NewWatch(clock, func(r supervise.Resumed) { reports <- r })
				w.Start()
				defer w.Stop()
				actortest.After(10 * time.Second)
				begin := time.Now()
				tt.do(clock)
				lost := w.Lost(begin) // before the next look
				if d := tt.stalled - lost; d < 0 || d > look {
					t.Errorf("lost %v, want %v", lost, tt.stalled)
				}
				if w.Aftermath() != tt.aftermath {
					t.Errorf("aftermath %v, want %v", w.Aftermath(), tt.aftermath)
				}
				actortest.After(look)
				close(reports)
				var sum supervise.Resumed
				n := 0
				for r := range reports {
					n, sum.For, sum.Jump = n+1, sum.For+r.For, sum.Jump+r.Jump
				}
				if n != tt.reported || sum.For != lost || sum.Jump != tt.jumped {
					t.Errorf("reported %v and %v in %d reports, want %v and %v in %d", sum.For, sum.Jump, n, lost, tt.jumped, tt.reported)
				}
				actortest.After(time.Minute)
				if w.Aftermath() || w.Lost(time.Now().Add(-30*time.Second)) != 0 {
					t.Error("a minute later it still counts")
				}
			})
		})
	}
}

// TestWatchTimer: a wait for a remote goes on after a stall, for a grace.
func TestWatchTimer(t *testing.T) {
	type step struct{ run, stop time.Duration }
	for _, tt := range []struct {
		name  string
		wait  time.Duration
		steps []step
		want  time.Duration // after the begin
	}{
		{name: "no stall", wait: 20 * time.Second, want: 20 * time.Second},
		{name: "a stall at the end", wait: 20 * time.Second, steps: []step{{15 * time.Second, 70 * time.Second}}, want: 90 * time.Second},
		{name: "a stall in the middle", wait: 20 * time.Second, steps: []step{{5 * time.Second, 10 * time.Second}}, want: 25 * time.Second},
		{name: "two stalls", wait: 20 * time.Second, steps: []step{{15 * time.Second, time.Minute}, {3 * time.Second, time.Minute}}, want: 143 * time.Second},
		{name: "a short wait", wait: 2 * time.Second, steps: []step{{time.Second, time.Minute}}, want: 63 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				clock := new(actortest.Clock)
				w := supervise.NewWatch(clock, func(supervise.Resumed) {})
				w.Start()
				defer w.Stop()
				begin, ran := time.Now(), make(chan time.Duration, 1)
				w.AfterFunc(clock, tt.wait, func() { ran <- time.Since(begin) })
				for _, s := range tt.steps {
					actortest.After(s.run)
					clock.Stop()
					actortest.After(s.stop)
					clock.Continue()
				}
				if got := <-ran; got != tt.want {
					t.Errorf("ran after %v, want %v", got, tt.want)
				}
			})
		})
	}
	synctest.Test(t, func(t *testing.T) {
		w := supervise.NewWatch(supervise.SystemClock, func(supervise.Resumed) {})
		timer := w.AfterFunc(supervise.SystemClock, time.Second, func() { t.Error("a stopped timer ran") })
		if !timer.Stop() || timer.Stop() {
			t.Error("the first Stop comes in time, the second does not")
		}
		actortest.After(time.Minute)
	})
}

// TestWallTime: a time on the steady clock, as the wall clock shows it after it was set.
func TestWallTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		clock := new(actortest.Clock)
		until := clock.Now().Add(time.Hour)
		before := supervise.WallTime(clock, until)
		clock.Set(-3 * time.Hour)
		if got := supervise.WallTime(clock, until); !got.Equal(before.Add(-3 * time.Hour)) {
			t.Errorf("%v, before the wall clock was set back %v", got, before)
		}
		if got := supervise.WallTime(supervise.SystemClock, until); got.Sub(until.Round(0)).Abs() > time.Second {
			t.Errorf("the system's clock shows %v as %v", until, got)
		}
	})
}

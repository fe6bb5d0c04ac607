package node

import (
	"testing"
	"time"
)

// TestStopPlan: whatever the children need, and however late each is stopped, the end of the stop
// does not move, except by what services ask for.
func TestStopPlan(t *testing.T) {
	const ms = time.Millisecond
	begin := time.Unix(1_700_000_000, 0)
	type step struct {
		name   string
		follow bool          // others of its stage
		takes  time.Duration // -1: all that it gets
		gets   time.Duration
	}
	const all = -1
	for name, tt := range map[string]struct {
		late  time.Duration // before the first step
		wish  time.Duration // of the services, which are flushing between peers and puncher
		steps []step
		end   time.Duration
	}{
		"nothing takes time": {0, 500 * ms, []step{
			{adminName, true, 0, 500 * ms}, {listenerName, true, 0, 500 * ms}, {dialerName, true, 0, 500 * ms}, {handshakesName, false, 0, 1000 * ms},
			{peersName, false, 0, 2500 * ms}, {puncherName, true, 0, 1700 * ms}, {natName, false, 0, 3400 * ms},
			{announcerName, true, 0, 2000 * ms}, {bansName, false, 0, 4000 * ms},
		}, 0},
		"everything hangs": {0, 500 * ms, []step{
			{adminName, true, all, 500 * ms}, {listenerName, true, all, 250 * ms}, {dialerName, true, all, 125 * ms}, {handshakesName, false, all, 125 * ms},
			{peersName, false, all, 1500 * ms}, {"service-a", false, 500 * ms, -1}, {puncherName, true, all, 200 * ms}, {natName, false, all, 200 * ms},
			{announcerName, true, all, 300 * ms}, {bansName, false, all, 300 * ms},
		}, 4000 * ms},
		"everything hangs, and a service asks for ten seconds": {0, 10 * time.Second, []step{
			{handshakesName, false, all, 1000 * ms}, {peersName, false, all, 1500 * ms}, {"service-a", false, 10 * time.Second, -1},
			{natName, false, all, 400 * ms}, {bansName, false, all, 600 * ms},
		}, 13500 * ms},
		"a service asks, and the links end soon": {0, 3 * time.Second, []step{
			{peersName, false, 100 * ms, 2500 * ms}, {"service-a", false, 3 * time.Second, -1}, {natName, false, all, 400 * ms}, {bansName, false, all, 600 * ms},
		}, 4100 * ms},
		"the machine is so busy that the root begins late": {3200 * ms, 500 * ms, []step{
			{handshakesName, false, all, 0}, {peersName, false, all, 0}, {natName, false, all, 200 * ms}, {bansName, false, all, 600 * ms},
		}, 4000 * ms},
		"too late for anything": {9 * time.Second, 500 * ms, []step{{peersName, false, all, 0}, {bansName, false, all, 0}}, 9 * time.Second},
	} {
		plan, now := stopPlan{begin: begin}, begin.Add(tt.late)
		for _, s := range tt.steps {
			if stageOf(s.name) == flushing {
				plan.allow(now.Add(tt.wish))
				now = now.Add(s.takes)
				continue
			}
			got := plan.share(stageOf(s.name), s.follow, now)
			if got != s.gets {
				t.Errorf("%s: %s gets %v, want %v", name, s.name, got, s.gets)
			}
			if s.takes == all {
				s.takes = got
			}
			now = now.Add(s.takes)
		}
		if took := now.Sub(begin); took != tt.end {
			t.Errorf("%s: the stop took %v, want %v", name, took, tt.end)
		}
	}
}

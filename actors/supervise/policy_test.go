package supervise

import (
	"slices"
	"testing"
	"time"
)

// failure is one failure of a child, and the expected decision.
type failure struct {
	after     time.Duration // since the previous failure, or since the start
	backoff   time.Duration
	exhausted bool
}

func TestRestartHistory(t *testing.T) {
	const ms = time.Millisecond
	unlimited := Intensity{Restarts: -1}
	// storm returns failures that each happen right after the restart before.
	storm := func(backoffs ...time.Duration) []failure {
		list := make([]failure, len(backoffs))
		for i, b := range backoffs {
			list[i].backoff = b
			if i > 0 {
				list[i].after = backoffs[i-1] + ms
			}
		}
		return list
	}
	for _, tt := range []struct {
		name     string
		policy   *Policy
		failures []failure
	}{
		{"at once, then 10 ms doubling to 1 s", LinkChild(Transient, unlimited),
			storm(0, 10*ms, 20*ms, 40*ms, 80*ms, 160*ms, 320*ms, 640*ms, time.Second, time.Second, time.Second)},
		{"10 s without a failure reset the backoff", LinkChild(Transient, unlimited),
			slices.Concat(storm(0, 10*ms, 20*ms), []failure{{after: 20*ms + 10*time.Second}, {after: ms, backoff: 10 * ms}})},
		{"a shorter time does not", LinkChild(Transient, unlimited),
			slices.Concat(storm(0, 10*ms, 20*ms), []failure{{after: 20*ms + 10*time.Second - ms, backoff: 40 * ms}})},
		{"waiting for a restart does not count as uptime", LinkChild(Transient, unlimited),
			slices.Concat(storm(0, 10*ms, 20*ms, 40*ms, 80*ms, 160*ms, 320*ms, 640*ms, time.Second),
				[]failure{{after: 10*time.Second + 999*ms, backoff: time.Second}, {after: 11 * time.Second}})},
		{"five restarts a minute by default", LinkChild(Transient, Intensity{}),
			slices.Concat(storm(0, 10*ms, 20*ms, 40*ms, 80*ms), []failure{{after: 100 * ms, exhausted: true}})},
		{"failures leave the window one by one", LinkChild(Transient, Intensity{Restarts: 2, Within: time.Minute}),
			[]failure{{}, {after: 40 * time.Second}, {after: 20 * time.Second}, {after: 19 * time.Second, exhausted: true}}},
		{"no restart is allowed", LinkChild(Transient, Intensity{Within: time.Minute}), []failure{{exhausted: true}}},
		{"a permanent child has a limit as well", LinkChild(Permanent, Intensity{Restarts: 1, Within: time.Second}),
			[]failure{{}, {after: ms, exhausted: true}}},
		{"a temporary child is never restarted", LinkChild(Temporary, unlimited), []failure{{exhausted: true}}},
		{"a resident child is always restarted", &Resident,
			slices.Concat(storm(time.Second, 2*time.Second, 4*time.Second, 8*time.Second, 16*time.Second, 32*time.Second, time.Minute, time.Minute),
				[]failure{{after: 3 * time.Minute, backoff: time.Second}})},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h, now := newHistory(*tt.policy), time.Unix(1e9, 0)
			for i, f := range tt.failures {
				now = now.Add(f.after)
				backoff, exhausted := h.failed(now)
				if exhausted != f.exhausted || !exhausted && backoff != f.backoff {
					t.Fatalf("failure %d: backoff %v, exhausted %v; want %v, %v", i, backoff, exhausted, f.backoff, f.exhausted)
				}
			}
		})
	}
}

// TestRestartHistoryIsBounded: a child that fails slowly and for ever must not make its
// supervisor's memory grow for ever.
func TestRestartHistoryIsBounded(t *testing.T) {
	h, now := newHistory(*LinkChild(Transient, Intensity{Restarts: 5, Within: time.Minute})), time.Unix(1e9, 0)
	for range 10_000 {
		now = now.Add(20 * time.Second)
		if _, exhausted := h.failed(now); exhausted {
			t.Fatal("a child that fails three times a minute was stopped for good")
		}
	}
	if c := cap(h.recent); c > 16 {
		t.Errorf("the history holds up to %d failures", c)
	}
}

func TestRestartInWords(t *testing.T) {
	for kind, want := range map[Restart]string{Transient: "transient", Permanent: "permanent", Temporary: "temporary", 7: "unknown"} {
		if got := kind.String(); got != want {
			t.Errorf("Restart(%d) is %q, want %q", kind, got, want)
		}
	}
}

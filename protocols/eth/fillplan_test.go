package eth

import (
	"testing"
	"time"

	"github.com/troupe-p2p/troupe/protocols/eth/history"
)

func ranges(ends ...uint64) (list []history.Range) {
	for i := 0; i < len(ends); i += 2 {
		list = append(list, history.Range{First: ends[i], Last: ends[i+1]})
	}
	return list
}

func TestFillPlan(t *testing.T) {
	for name, tt := range map[string]struct {
		missing []history.Range
		head    uint64
		forked  bool
		want    uint64 // first block; 0: nothing is due
	}{
		"nothing is missing":                    {nil, 600, false, 0},
		"a gap up to the window":                {ranges(101, 592), 600, false, 101},
		"the files are 47 blocks behind":        {ranges(554, 592), 600, false, 0},
		"the files are 48 blocks behind":        {ranges(553, 592), 600, false, 553},
		"reorganised at the end of the files":   {ranges(592, 592), 600, true, 592},
		"one between files":                     {ranges(200, 210), 600, false, 200},
		"two: the upper one first":              {ranges(200, 210, 300, 592), 600, false, 300},
		"the upper one is not due":              {ranges(200, 210, 590, 592), 600, false, 200},
		"a gap that ends just below the window": {ranges(500, 520), 600, false, 500},
	} {
		t.Run(name, func(t *testing.T) {
			r, ok := new(fillPlan).next(time.Now(), tt.missing, tt.head, tt.forked)
			if ok != (tt.want > 0) || ok && r.First != tt.want {
				t.Errorf("%+v, %v; want the one from %d", r, ok, tt.want)
			}
		})
	}
}

// TestFillPlanRetries: a range that failed waits, ever longer, while others go on; one that is not missing any more
// is forgotten.
func TestFillPlanRetries(t *testing.T) {
	now, plan := time.Now(), new(fillPlan)
	missing := ranges(200, 210, 300, 592)
	var waits []time.Duration
	for range 6 {
		r, ok := plan.next(now, missing, 600, false)
		if !ok || r.First != 300 {
			t.Fatalf("%+v, %v", r, ok)
		}
		wait := plan.fail(now, r)
		waits = append(waits, wait)
		if r, ok := plan.next(now.Add(wait-1), missing, 600, false); !ok || r.First != 200 {
			t.Fatalf("meanwhile %+v, %v", r, ok)
		}
		now = now.Add(wait)
	}
	if waits[0] != time.Minute || waits[1] != 2*time.Minute || waits[4] != 16*time.Minute || waits[5] != 16*time.Minute {
		t.Errorf("%v", waits)
	}
	if plan.next(now, ranges(200, 210), 600, false); len(plan.failed) != 0 {
		t.Errorf("%+v", plan.failed)
	}
}

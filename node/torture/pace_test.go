package torture

import (
	"math"
	"testing"
	"time"
)

// play runs a pace for a time, and is late for stall at the middle.
func play(p *pace, length, stall time.Duration) (actions, largest int) {
	begin := time.Unix(0, 0)
	stalled := false
	for now := begin; now.Sub(begin) < length; {
		n, wait := p.due(now)
		actions, largest = actions+n, max(largest, n)
		now = now.Add(max(wait, time.Microsecond))
		if !stalled && now.Sub(begin) > length/2 {
			stalled, now = true, now.Add(stall)
		}
	}
	return actions, largest
}

func TestPace(t *testing.T) {
	for _, rate := range []float64{0.5, 1, 7, 100, 1000, 50000} {
		actions, largest := play(&pace{rate: rate}, 10*time.Second, 0)
		if want := 10 * rate; math.Abs(float64(actions)-want) > 0.02*want+1 {
			t.Errorf("%v a second for 10 s: %d actions, want %v", rate, actions, want)
		}
		if most := int(rate*2*paceTick.Seconds()) + 1; largest > most {
			t.Errorf("%v a second: %d actions in one turn, want at most %d", rate, largest, most)
		}
	}
}

// TestPaceForgetsArrears: an attacker that could not act for 5 s makes up for a moment of it only.
func TestPaceForgetsArrears(t *testing.T) {
	const rate = 100
	actions, largest := play(&pace{rate: rate}, 20*time.Second, 5*time.Second)
	if want := 15*rate + int(rate*paceArrears.Seconds()); math.Abs(float64(actions-want)) > 3 {
		t.Errorf("%d actions, want %d", actions, want)
	}
	if most := int(rate*paceArrears.Seconds()) + 1; largest > most {
		t.Errorf("%d actions in one turn, want at most %d", largest, most)
	}
}

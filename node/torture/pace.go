package torture

import "time"

const (
	// paceTick is the least time between two turns. At higher rates a turn has several actions.
	paceTick = 5 * time.Millisecond
	// paceArrears is how long an attacker that fell behind may make up for. What it missed
	// before that is not made up, so that no burst exceeds the stated rate for long.
	paceArrears = 200 * time.Millisecond
)

// pace says when the actions of one attacker are due. It is a plain value.
type pace struct {
	rate float64   // actions a second
	from time.Time // the actions since then are counted in done
	done float64
}

// due returns how many actions are due now, and counts them as done. If none is due, it returns
// how long to wait.
func (p *pace) due(now time.Time) (actions int, wait time.Duration) {
	if p.from.IsZero() {
		p.from, p.done = now, 0
	}
	if behind := now.Sub(p.from).Seconds() - p.done/p.rate; behind > paceArrears.Seconds() {
		p.from, p.done = now.Add(-paceArrears), 0
	}
	// The first action is due at the start.
	actions = int(now.Sub(p.from).Seconds()*p.rate-p.done) + 1
	if actions < 1 {
		next := p.from.Add(time.Duration(p.done / p.rate * float64(time.Second)))
		return 0, max(paceTick, next.Sub(now))
	}
	p.done += float64(actions)
	return actions, 0
}

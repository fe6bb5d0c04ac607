package actors

import (
	"testing"
	"testing/synctest"

	"github.com/troupe-p2p/troupe/actors/actortest"
)

// TestR1DripIsCharged: small messages that arrive one read at a time each pin a read buffer.
// The buffers count against the budget of a protocol that handles nothing, so the reader stops.
func TestR1DripIsCharged(t *testing.T) {
	actortest.Bubble(t, func(t *testing.T) {
		const budget, count = 128 << 10, 200
		s, wake := sleeper()
		r := meet(t, s.protocol("a", func(p *Protocol) { p.Budget = budget }))
		for range count {
			r.send(16, noise(10))
			synctest.Wait()
		}
		if used := s.credit.used.Load(); used < budget/2 {
			t.Errorf("%d bytes are unhandled, the budget is %d", used, budget)
		}
		if used := r.node.pool.Used(); used > budget+2*largeBuffer {
			t.Errorf("the link holds %d bytes, the budget is %d", used, budget)
		}
		close(wake)
	})
}

package actors

import (
	"errors"
	"testing"
	"testing/synctest"

	"github.com/troupe-p2p/troupe/actors/actortest"
)

// TestR7PreparedIsBounded: what goes to many links fills an outbox to its limit, or to twice that
// if it may wait. Only a refusal that asks for it is followed by a Drained.
func TestR7PreparedIsBounded(t *testing.T) {
	const limit, size = 512 << 10, 20_000
	for _, tt := range []struct {
		name    string
		full    Full
		most    int
		drained int64
	}{
		{"refuse", Refuse, limit, 1},
		{"drop", Drop, limit, 0},
		{"wait", Wait, 2 * limit, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			actortest.Bubble(t, func(t *testing.T) {
				s := &script{}
				r := meet(t, s.protocol("a", func(p *Protocol) { p.OutboxLimit = limit }))
				p, err := Prepare(noise(size))
				if err != nil {
					t.Fatal(err)
				}
				accepted := 0
				for wrote := true; wrote; synctest.Wait() { // what the holder is writing is no longer queued
					wrote = false
					for accepted < 10*limit/size {
						err := s.SendPrepared(0, p, tt.full)
						if errors.Is(err, ErrOutboxFull) {
							break
						}
						if err != nil {
							t.Fatal(err)
						}
						accepted++
						wrote = true
					}
				}
				if fill := s.outbox.fill(); fill > tt.most || fill < tt.most-2*size {
					t.Errorf("%d bytes are queued, want at most %d, and no room for one more message", fill, tt.most)
				}
				for range accepted {
					r.expect(16)
				}
				synctest.Wait()
				if n := s.drainds.Load(); n != tt.drained {
					t.Errorf("drained %d times, want %d", n, tt.drained)
				}
			})
		})
	}
}

package actors

import (
	"errors"
	"testing"
	"testing/synctest"

	"github.com/troupe-p2p/troupe/actors/actortest"
)

// TestR7UrgentIsBounded: beside a full outbox 64 KiB of urgent messages find room and no more,
// and each run of refusals is followed by one Drained.
func TestR7UrgentIsBounded(t *testing.T) {
	actortest.Bubble(t, func(t *testing.T) {
		const limit, reserve, size, urgent = 512 << 10, 64 << 10, 1000, 5
		s := &script{}
		ours, theirs := memPipe(1 << 10)
		r := meetOver(t, newNode(t), ours, theirs, s.protocol("a", func(p *Protocol) {
			p.OutboxLimit = limit
			p.Urgent = func(code uint64) bool { return code == urgent }
		}))
		bulk := 0
		for wrote := true; wrote; synctest.Wait() { // what the holder is writing is no longer queued
			wrote = false
			for s.Host.Send(0, noise(10_000)) == nil {
				bulk++
				wrote = true
			}
		}
		accepted := 0
		for accepted < 10*reserve/size {
			err := s.Host.Send(urgent, noise(size))
			if errors.Is(err, ErrOutboxFull) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			accepted++
		}
		// The outbox may have had room for less than one bulk message.
		if bytes := accepted * size; bytes > reserve+12_000 || bytes < reserve*3/4 {
			t.Errorf("%d bytes of urgent messages found room beside a full outbox, want about %d", bytes, reserve)
		}
		if fill := s.outbox.fill(); fill > limit+reserve {
			t.Errorf("%d bytes are queued, the limit is %d and %d for urgent messages", fill, limit, reserve)
		}
		var order []uint64
		for range bulk + accepted {
			p, err := readBefore(r, actortest.Patience)
			if err != nil {
				t.Fatalf("%v; cause %v", err, r.link.Cause())
			}
			order = append(order, p.code-16)
		}
		// What was being written and the grant that followed come first.
		first := 0
		for first < len(order) && order[first] == 0 {
			first++
		}
		if ahead := 2 * quantum / 10_000; first > ahead {
			t.Errorf("%d bulk messages went ahead of the urgent ones, want at most %d", first, ahead)
		}
		for n, code := range order {
			if want := n >= first && n < first+accepted; want != (code == urgent) {
				t.Fatalf("message %d of %d has code %d; the urgent ones are %d from %d on", n, len(order), code, accepted, first)
			}
		}
		synctest.Wait()
		if n := s.drainds.Load(); n != 1 {
			t.Errorf("drained %d times", n)
		}
	})
}

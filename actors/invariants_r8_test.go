package actors

import (
	"bytes"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/troupe-p2p/troupe/actors/actortest"
	"github.com/troupe-p2p/troupe/wire"
)

// bomb is the largest payload that compresses best.
var bomb = make([]byte, wire.MaxPayload)

// excessOfBomb returns the excess of a bomb.
func excessOfBomb(t *testing.T) int64 {
	t.Helper()
	block, err := wire.Compress(bomb)
	if err != nil {
		t.Fatal(err)
	}
	return excessOf(len(block), len(bomb))
}

// arrivals makes a protocol that notes when its messages arrive.
func arrivals() (s *script, at *[]time.Time) {
	s, at = &script{}, new([]time.Time)
	s.message = func(actor.Context, Inbound) error { *at = append(*at, time.Now()); return nil }
	return s, at
}

// TestR8BombsHoldTheirRemoteBack: a link handles bombs only as fast as its allowance is refilled.
// Its reader waits, which is not the remote's silence: pings go on, and the link lives.
func TestR8BombsHoldTheirRemoteBack(t *testing.T) {
	actortest.Bubble(t, func(t *testing.T) {
		const bombs = 11
		s, at := arrivals()
		r := meet(t, s.protocol("a"))
		pings := 0
		r.aside(func() {
			for {
				p, err := r.read()
				if err != nil {
					return
				}
				if p.code == wire.PingMsg {
					pings++
				}
			}
		})
		begin := time.Now()
		<-r.flood(bombs, 16, bomb)
		actortest.After(10 * time.Second) // for what is in the connection's buffer
		excess := excessOfBomb(t)
		if len(*at) != bombs {
			t.Fatalf("%d of %d bombs arrived; cause %v", len(*at), bombs, r.link.Cause())
		}
		for i, when := range *at {
			got := when.Sub(begin)
			total := int64(i+1)*excess - expansionBurst
			want := max(0, time.Duration(total)*time.Second/expansionRate)
			if got < want || got > want+time.Second {
				t.Errorf("bomb %d arrived after %v, want %v", i, got, want)
			}
		}
		if took := (*at)[bombs-1].Sub(begin); took < silenceLimit {
			t.Errorf("the remote was held back for %v only", took)
		}
		if r.link.Cause() != nil || pings < 3 {
			t.Errorf("cause %v after %d pings", r.link.Cause(), pings)
		}
	})
}

// TestR8LargePingsHoldTheirRemoteBack: the payload of a ping is ignored, but its MAC costs time.
func TestR8LargePingsHoldTheirRemoteBack(t *testing.T) {
	actortest.Bubble(t, func(t *testing.T) {
		const pings, size = 30, 1 << 20
		r := meet(t, new(script).protocol("a"))
		begin := time.Now()
		done := r.flood(pings, wire.PingMsg, noise(size))
		for range pings {
			r.expect(wire.PongMsg)
		}
		<-done
		if took, want := time.Since(begin), time.Duration(pings*size-expansionBurst)*time.Second/expansionRate; took < want-time.Second {
			t.Errorf("%d pings were answered after %v, want %v", pings, took, want)
		}
	})
}

// TestR8EndInterruptsTheWait: a link whose reader waits for its allowance ends at once.
func TestR8EndInterruptsTheWait(t *testing.T) {
	actortest.Bubble(t, func(t *testing.T) {
		s, at := arrivals()
		r := meet(t, s.protocol("a"))
		done := r.flood(3, 16, bomb)
		actortest.After(time.Second)
		if len(*at) != 1 || r.link.heldSince.Load() == 0 {
			t.Fatalf("%d bombs arrived, and the reader does not wait", len(*at))
		}
		begin := time.Now()
		s.Disconnect(wire.DiscRequested, nil)
		r.expectDisconnect(wire.DiscRequested)
		r.conn.Close()
		<-done
		r.wantCause(Local, wire.DiscRequested, nil)
		if took := time.Since(begin); took > 0 {
			t.Errorf("the end took %v", took)
		}
	})
}

// TestR8HonestMessagesAreNotHeldBack: text expands four times, and small messages of equal bytes
// twenty times.
func TestR8HonestMessagesAreNotHeldBack(t *testing.T) {
	text, random := bytes.Repeat([]byte(" the same words again and again, and then something new: "), 70_000), noise(1<<20)
	for i := 0; i+16 < len(text); i += 64 {
		copy(text[i:], random[i/4%len(random):][:12])
	}
	for _, tt := range []struct {
		name    string
		payload []byte
		count   int
	}{
		{"large text", text, actortest.Work(20, 3)},
		{"1 KiB of equal bytes", make([]byte, 1<<10), actortest.Work(50_000, 2_000)},
		{"4 KiB of equal bytes", make([]byte, 4<<10), actortest.Work(10_000, 500)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			actortest.Bubble(t, func(t *testing.T) {
				s, at := arrivals()
				r := meet(t, s.protocol("a"))
				begin := time.Now()
				<-r.flood(tt.count, 16, tt.payload)
				synctest.Wait()
				if len(*at) != tt.count || time.Since(begin) != 0 {
					t.Errorf("%d of %d messages arrived after %v", len(*at), tt.count, time.Since(begin))
				}
			})
		})
	}
}

// TestR8LinksShareThePace: bombs that many links send at the same time, each within its own
// allowance, are decompressed one after the other, and only one takes memory for it at a time.
func TestR8LinksShareThePace(t *testing.T) {
	actortest.Bubble(t, func(t *testing.T) {
		const links = 4
		n := newNode(t)
		var remotes []*remote
		var all []*[]time.Time
		for range links {
			s, at := arrivals()
			all = append(all, at)
			ours, theirs := memPipe(64 << 10)
			remotes = append(remotes, meetOver(t, n, ours, theirs, s.protocol("a")))
		}
		begin := time.Now()
		for _, r := range remotes {
			r.flood(1, 16, bomb)
		}
		used := int64(0)
		excess := excessOfBomb(t)
		for range 400 {
			actortest.After(time.Millisecond)
			used = max(used, n.pool.Used())
		}
		var arrived []time.Time
		for _, at := range all {
			arrived = append(arrived, *at...)
		}
		if len(arrived) != links {
			t.Fatalf("%d of %d bombs arrived", len(arrived), links)
		}
		slices.SortFunc(arrived, time.Time.Compare)
		for i, when := range arrived {
			got := when.Sub(begin)
			total := int64(i+1)*excess - expansionBurst
			want := max(0, time.Duration(total)*time.Second/expansionPace)
			if got < want-time.Millisecond || got > want+50*time.Millisecond {
				t.Errorf("bomb %d arrived after %v, want %v", i, got, want)
			}
		}
		// One buffer of 20 MiB, and a frame of less than 1152 KiB for each link.
		if most := int64(20<<20 + links*1152<<10); used > most {
			t.Errorf("%d bytes were in use, want at most %d", used, most)
		}
	})
}

// TestR8RefusedSizesAreNotDecompressed: the behaviour gets a message that exceeds MaxSize without
// its payload, in its place, and no memory is taken for it.
func TestR8RefusedSizesAreNotDecompressed(t *testing.T) {
	actortest.Bubble(t, func(t *testing.T) {
		var got []Inbound
		s := &script{}
		s.message = func(_ actor.Context, in Inbound) error {
			in.Payload = bytes.Clone(in.Payload)
			got = append(got, in)
			return nil
		}
		r := meet(t, s.protocol("a", func(p *Protocol) { p.MaxSize = []int{0, 1000} }))
		limit := make(chan int64, 1)
		r.aside(func() {
			most := int64(0)
			for range 100 {
				<-time.After(time.Millisecond)
				most = max(most, r.node.pool.Used())
			}
			limit <- most
		})
		for _, size := range []int{1000, 1001, len(bomb), 10} {
			r.send(17, make([]byte, size))
			synctest.Wait()
		}
		r.send(18, make([]byte, 1001)) // no limit
		if most := <-limit; most > 4<<20 {
			t.Errorf("%d bytes were in use", most)
		}
		want := []struct{ size, payload int }{{1000, 1000}, {1001, 0}, {len(bomb), 0}, {10, 10}, {1001, 1001}}
		if len(got) != len(want) {
			t.Fatalf("%d messages arrived, want %d", len(got), len(want))
		}
		for i, in := range got {
			if in.Size != want[i].size || len(in.Payload) != want[i].payload || (in.Payload == nil) != (want[i].payload == 0) {
				t.Errorf("message %d has size %d and %d bytes of payload, want %v", i, in.Size, len(in.Payload), want[i])
			}
		}
		if used := s.credit.used.Load(); used != 0 {
			t.Errorf("%d bytes of credit were not returned", used)
		}
	})
}

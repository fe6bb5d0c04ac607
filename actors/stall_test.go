package actors

import (
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/troupe-p2p/troupe/actors/actortest"
	"github.com/troupe-p2p/troupe/actors/supervise"
	"github.com/troupe-p2p/troupe/wire"
)

// TestStall: this node does not run for 70 s. No link ends for what could not happen meanwhile; each
// wait goes on, and ends the link in time if it is in vain.
func TestStall(t *testing.T) {
	const stall = 70 * time.Second
	tests := []struct {
		name   string
		before func(t *testing.T, r *remote, s *script)
		after  func(t *testing.T, r *remote, s *script) // right after the stall; nil: the remote does nothing
		lasts  time.Duration                            // how long the link lives after the stall; 0: on and on
		want   error
	}{
		{name: "a remote that is gone", lasts: supervise.Grace, want: ErrPingTimeout},
		{name: "a remote that answers the ping", after: func(_ *testing.T, r *remote, _ *script) {
			r.expect(wire.PingMsg)
			r.aside(func() { answerPings(r) })
			r.send(wire.PongMsg, emptyList)
		}},
		{name: "a frame in its middle",
			before: func(_ *testing.T, r *remote, _ *script) { r.in = r.seal(16, noise(1000)); r.write(r.in[:500]) },
			after: func(t *testing.T, r *remote, s *script) {
				frame := r.in
				r.in = nil
				r.write(frame[500:600])
				actortest.After(2 * time.Second)
				r.write(frame[600:])
				synctest.Wait()
				if s.link.Stats().MsgsIn != 1 {
					t.Error("the message was lost")
				}
				r.aside(func() { answerPings(r) })
			}},
		{name: "a handler at work, and no room for more",
			before: func(_ *testing.T, r *remote, _ *script) { r.flood(2000, 16, noise(1000)) },
			lasts:  supervise.Grace, want: ErrStalled},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			actortest.Bubble(t, func(t *testing.T) {
				clock, n := new(actortest.Clock), newNode(t)
				n.clock, n.watch = clock, supervise.NewWatch(clock, func(supervise.Resumed) {})
				n.watch.Start()
				defer n.watch.Stop()
				s, wake := sleeper()
				if tt.want != ErrStalled {
					s.message = nil
				}
				defer close(wake)
				ours, theirs := memPipe(64 << 10)
				r := meetOver(t, n, ours, theirs, s.protocol("a"))
				actortest.After(5 * time.Second)
				if tt.before != nil {
					tt.before(t, r, s)
				}
				actortest.After(10 * time.Second)
				clock.Stop()
				actortest.After(stall)
				clock.Continue()
				resumed := time.Now()
				if tt.after != nil {
					tt.after(t, r, s)
				}
				if tt.lasts == 0 {
					actortest.After(5 * time.Minute)
					if c := r.link.Cause(); c != nil {
						t.Errorf("the link ended: %v", c)
					}
					return
				}
				actortest.After(tt.lasts - 2*time.Second)
				if c := r.link.Cause(); c != nil {
					t.Fatalf("the link ended at once: %v", c)
				}
				<-r.link.context().Done()
				if took := time.Since(resumed); took > tt.lasts+writeSlice {
					t.Errorf("the link ended %v after the stall", took)
				}
				r.conn.Close()
				r.wantCause(Local, r.link.Cause().Reason, tt.want)
			})
		})
	}
}

// TestStallWhileWriting: of the 20 s in which a remote must accept something, those in which this node
// did not run do not count.
func TestStallWhileWriting(t *testing.T) {
	actortest.Bubble(t, func(t *testing.T) {
		clock, n := new(actortest.Clock), newNode(t)
		n.clock, n.watch = clock, supervise.NewWatch(clock, func(supervise.Resumed) {})
		n.watch.Start()
		defer n.watch.Stop()
		s := &script{}
		ours, theirs := memPipe(64 << 10)
		r := meetOver(t, n, ours, theirs, s.protocol("a"))
		synctest.Wait()
		stalls := 0
		ours.fault.Store(&fault{do: func(c *memConn) error {
			if stalls++; stalls == 2*int(writeTimeout/writeSlice) {
				c.fault.Store(nil)
			}
			clock.Stop()
			<-time.After(30 * time.Second)
			clock.Continue()
			return os.ErrDeadlineExceeded
		}})
		r.aside(func() { answerPings(r) })
		s.tell(func(actor.Context) { _ = s.Send(0, noise(100)) })
		actortest.After(10 * time.Minute)
		if c := r.link.Cause(); c != nil || stalls < 8 || s.link.Stats().MsgsOut != 1 {
			t.Errorf("after %d stalls the cause is %v, and %d messages are written", stalls, c, s.link.Stats().MsgsOut)
		}
	})
}

// answerPings reads until the connection ends.
func answerPings(r *remote) {
	_ = r.conn.SetReadDeadline(time.Time{})
	for {
		p, err := r.read()
		if err != nil {
			return
		}
		if p.code == wire.PingMsg {
			r.send(wire.PongMsg, emptyList)
		}
	}
}

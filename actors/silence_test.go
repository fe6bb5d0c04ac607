package actors

import (
	"testing"
	"time"
)

func TestSilence(t *testing.T) {
	at := func(s float64) int64 { return int64(s * float64(time.Second)) }
	for _, tt := range []struct {
		name                                   string
		now, received, sent, lastPing, heldAll float64 // seconds; 0: never
		frame                                  float64 // when a partial frame began
		dead                                   error
		probe, ping                            bool
		resumed, pingSent                      float64
		again                                  float64
	}{
		{name: "fresh link", now: 0.001, again: 14.999},
		{name: "traffic both ways", now: 100, received: 99, sent: 98, lastPing: 50, again: 13},
		{name: "nothing received for 15 s", now: 115, received: 100, sent: 114, ping: true, again: 15},
		{name: "nothing sent for 15 s", now: 115, received: 114, sent: 100, ping: true, again: 15},
		{name: "just below 15 s", now: 114.9, received: 100, sent: 114, again: 0.1},
		{name: "pinged a moment ago", now: 120, received: 104, sent: 119, lastPing: 118, again: 13},
		{name: "pinged 15 s ago", now: 134, received: 104, sent: 119, lastPing: 119, ping: true, again: 15},
		{name: "next check at the silence limit", now: 140, received: 100, sent: 130, lastPing: 139, again: 5},
		{name: "silent for 45 s", now: 145, received: 100, sent: 140, lastPing: 140, dead: ErrPingTimeout},
		{name: "never received anything", now: 45, sent: 40, dead: ErrPingTimeout},
		{name: "almost silent for too long", now: 144.9995, received: 100, sent: 140, lastPing: 140, again: 0.001},
		// We don't read, so silence is unknown. Pings go on.
		{name: "reader paused", now: 500, received: 100, sent: 490, lastPing: 480, heldAll: 110, again: 5},
		{name: "reader paused, ping due", now: 500, received: 100, sent: 480, lastPing: 480, heldAll: 110, ping: true, again: 15},
		{name: "reader paused after 40 s of silence", now: 500, received: 100, sent: 480, lastPing: 480, heldAll: 140, ping: true, again: 5},
		{name: "reader paused after 45 s of silence", now: 500, received: 100, sent: 480, lastPing: 480, heldAll: 145, dead: ErrPingTimeout},
		// A frame that the remote does not complete. It sends nothing more, so the reader can't notice.
		{name: "partial frame", now: 110, received: 100, sent: 109, lastPing: 109, frame: 100, again: 14},
		{name: "partial frame, next check at its limit", now: 120, received: 100, sent: 119, lastPing: 119, frame: 100, again: 10},
		{name: "partial frame for 30 s", now: 130, received: 100, sent: 129, lastPing: 129, frame: 100, dead: ErrSlowFrame},
		{name: "partial frame for 30 s, more of it now and then", now: 130, received: 129, sent: 129, frame: 99, dead: ErrSlowFrame},
		{name: "reader paused amid a frame", now: 500, received: 100, sent: 490, lastPing: 480, heldAll: 110, frame: 100, again: 5},
		{name: "reader paused after 30 s of a frame", now: 500, received: 125, sent: 490, lastPing: 480, heldAll: 130, frame: 100, dead: ErrSlowFrame},
		// This node did not run for a time: the silence may be its own.
		{name: "after a stall", now: 170, received: 100, sent: 99, lastPing: 80, resumed: 170, ping: true, again: 5},
		{name: "after a stall, never pinged before", now: 170, received: 100, sent: 99, resumed: 170, ping: true, again: 5},
		{name: "after a stall, pinged 2 s ago", now: 172, received: 100, sent: 170, lastPing: 170, pingSent: 170, resumed: 170, again: 3},
		{name: "after a stall, pinged 5 s ago", now: 175, received: 100, sent: 170, lastPing: 170, pingSent: 170, resumed: 170, dead: ErrPingTimeout},
		{name: "after a stall, the ping is not written yet", now: 180, received: 100, sent: 180, lastPing: 170, pingSent: 80, resumed: 170, again: 5},
		{name: "after a stall, the ping was written late", now: 180, received: 100, sent: 180, lastPing: 170, pingSent: 178, resumed: 170, again: 3},
		{name: "after a stall, the ping is never written", now: 215, received: 100, sent: 180, lastPing: 170, pingSent: 80, resumed: 170, dead: ErrPingTimeout},
		{name: "after a stall, the remote answered", now: 172, received: 171, sent: 170, lastPing: 170, resumed: 170, again: 13},
		{name: "after a stall, reader paused", now: 172, received: 100, sent: 170, lastPing: 170, resumed: 170, heldAll: 110, again: 13},
		{name: "after a stall, before the link", now: 30, received: 25, sent: 26, lastPing: 20, again: 10},
		{name: "a ping is wanted", now: 102, received: 101, sent: 101, lastPing: 95, probe: true, ping: true, again: 15},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ping, again, dead := silence{
				now: at(tt.now), lastReceived: at(tt.received), lastSent: at(tt.sent),
				lastPing: at(tt.lastPing), heldSince: at(tt.heldAll), frameSince: at(tt.frame),
				pingSent: at(tt.pingSent), resumed: at(tt.resumed), probe: tt.probe,
			}.next()
			if dead != tt.dead || ping != tt.ping || int64(again) != at(tt.again) {
				t.Errorf("dead %v, ping %v, again in %v; want %v, %v, %vs", dead, ping, again, tt.dead, tt.ping, tt.again)
			}
		})
	}
}

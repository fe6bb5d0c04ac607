package actors

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/troupe-p2p/troupe/actors/actortest"
	"github.com/troupe-p2p/troupe/wire"
)

// TestPingIsAnswered: each ping gets one pong, whatever its payload.
func TestPingIsAnswered(t *testing.T) {
	actortest.Bubble(t, func(t *testing.T) {
		r := meet(t, new(script).protocol("a"))
		for _, payload := range [][]byte{emptyList, nil, []byte("not RLP \xff"), noise(5000)} {
			r.send(wire.PingMsg, payload)
			if p := r.expect(wire.PongMsg); string(p.payload) != string(emptyList) {
				t.Errorf("pong carries %x", p.payload)
			}
		}
		_ = r.conn.SetReadDeadline(time.Now().Add(time.Second))
		if p, err := r.read(); err == nil {
			t.Errorf("an extra pong arrived: %+v", p)
		}
	})
}

// TestPingFlood: sixteen pings may wait for their pongs, then the node stops reading; all pings
// are answered when the remote reads again.
func TestPingFlood(t *testing.T) {
	actortest.Bubble(t, func(t *testing.T) {
		const pings = 5000
		ours, theirs := memPipe(1 << 10)
		r := meetOver(t, newNode(t), ours, theirs, new(script).protocol("a"))
		done := r.flood(pings, wire.PingMsg, emptyList)
		synctest.Wait()
		if due := r.link.pongsDue.Load(); due > maxPongsDue+1 || isDone(done) {
			t.Errorf("%d pings wait for their pongs; all pings were sent: %v", due, isDone(done))
		}
		if used := r.node.pool.Used(); used > 2*smallBuffer {
			t.Errorf("%d bytes of the pool are in use", used)
		}
		for range pings {
			r.expect(wire.PongMsg)
		}
		<-done
	})
}

// TestPingFloodNotReading: when the pongs can't be written for 20 s, the reader is still paused,
// so that the cause is the same as for a protocol's answers.
func TestPingFloodNotReading(t *testing.T) {
	actortest.Bubble(t, func(t *testing.T) {
		ours, theirs := memPipe(1 << 10)
		r := meetOver(t, newNode(t), ours, theirs, new(script).protocol("a"))
		for r.link.pongsDue.Load() <= maxPongsDue {
			r.send(wire.PingMsg, emptyList)
			synctest.Wait()
		}
		r.wantCause(Local, wire.DiscReadTimeout, ErrMutualBackpressure)
		if due := r.link.pongsDue.Load(); due <= maxPongsDue {
			t.Errorf("the reader was resumed: %d pings wait for their pongs", due)
		}
	})
}

func TestPongGivesTheRoundTripTime(t *testing.T) {
	actortest.Bubble(t, func(t *testing.T) {
		r := meet(t, new(script).protocol("a"))
		r.send(wire.PongMsg, emptyList) // without a ping
		synctest.Wait()
		if rtt := r.link.RTT(); rtt != 0 {
			t.Errorf("a pong without a ping set the round-trip time to %v", rtt)
		}
		r.expect(wire.PingMsg)
		actortest.After(300 * time.Millisecond)
		r.send(wire.PongMsg, []byte("never parsed"))
		synctest.Wait()
		if rtt := r.link.RTT(); rtt != 300*time.Millisecond {
			t.Errorf("round-trip time is %v, want 300 ms", rtt)
		}
		actortest.After(time.Second)
		r.send(wire.PongMsg, emptyList) // a second pong for the same ping
		synctest.Wait()
		if rtt := r.link.RTT(); rtt != 300*time.Millisecond {
			t.Errorf("a second pong changed the round-trip time to %v", rtt)
		}
	})
}

// TestPingsWhenQuiet: a ping is sent after 15 s in which nothing was received, or nothing was
// sent.
func TestPingsWhenQuiet(t *testing.T) {
	for _, tt := range []struct {
		name       string
		hear, tell time.Duration // how often the remote sends, and the protocol; 0: never
		pings      int           // in ten minutes
	}{
		{"no side sends", 0, 0, 2},
		{"only this node sends", 0, 5 * time.Second, 2},
		{"only the remote sends", 5 * time.Second, 0, 40},
		{"both send", 5 * time.Second, 5 * time.Second, 0},
		{"both send every 14 s", 14 * time.Second, 14 * time.Second, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			actortest.Bubble(t, func(t *testing.T) {
				s := &script{}
				r := meet(t, s.protocol("a"))
				begin, pings := time.Now(), 0
				every := func(d time.Duration, f func()) {
					if d == 0 {
						return
					}
					r.aside(func() {
						for time.Since(begin) < 10*time.Minute && r.link.Cause() == nil {
							<-time.After(d)
							f()
						}
					})
				}
				every(tt.hear, func() { _, _ = r.conn.Write(r.seal(16, nil)) })
				every(tt.tell, func() { _ = s.Send(0, nil) })
				_ = r.conn.SetReadDeadline(begin.Add(10*time.Minute + time.Second))
				for {
					p, err := r.read()
					if err != nil || p.code == wire.DiscMsg {
						break
					}
					if p.code == wire.PingMsg {
						pings++
					}
				}
				if pings != tt.pings {
					t.Errorf("%d pings, want %d", pings, tt.pings)
				}
				if dead, want := r.link.Cause() != nil, tt.hear == 0; dead != want {
					t.Errorf("link ended for silence: %v (%v), want %v", dead, r.link.Cause(), want)
				}
			})
		})
	}
}

func TestSilentRemoteIsDropped(t *testing.T) {
	actortest.Bubble(t, func(t *testing.T) {
		r := meet(t, new(script).protocol("a"))
		r.expectDisconnect(wire.DiscReadTimeout)
		if took := time.Since(r.link.Started()); took != silenceLimit {
			t.Errorf("link ended after %v", took)
		}
		r.conn.Close()
		r.wantCause(Local, wire.DiscReadTimeout, ErrPingTimeout)
	})
}

// TestRemoteDisconnects: every form of Disconnect that clients send is understood.
func TestRemoteDisconnects(t *testing.T) {
	for _, tt := range []struct {
		name    string
		payload []byte
		plain   bool // not compressed, as some clients send it
		want    wire.DiscReason
	}{
		{"a list", wire.AppendDisconnect(nil, wire.DiscTooManyPeers), false, wire.DiscTooManyPeers},
		{"a list, not compressed", wire.AppendDisconnect(nil, wire.DiscUselessPeer), true, wire.DiscUselessPeer},
		{"a bare integer", []byte{byte(wire.DiscQuitting)}, false, wire.DiscQuitting},
		{"a bare integer, not compressed", []byte{byte(wire.DiscSelf)}, true, wire.DiscSelf},
		{"an empty list", []byte{0xC0}, false, wire.DiscRequested},
		{"an empty payload", nil, false, wire.DiscRequested},
		{"an empty payload, not compressed", nil, true, wire.DiscRequested},
		{"an unknown reason", wire.AppendDisconnect(nil, 0x42), false, 0x42},
		{"garbage", []byte{0xC1, 0xC0}, false, wire.DiscRequested},
	} {
		t.Run(tt.name, func(t *testing.T) {
			actortest.Bubble(t, func(t *testing.T) {
				s := &script{}
				r := meet(t, s.protocol("a"))
				frame, err := appendBase(nil, wire.DiscMsg, tt.payload, r.Snappy && !tt.plain)
				if err != nil {
					t.Fatal(err)
				}
				if err := r.Encoder.Seal(frame); err != nil {
					t.Fatal(err)
				}
				r.write(frame)
				r.wantCause(Remote, tt.want, nil)
				// Nothing is sent in response.
				if p, err := r.read(); err == nil {
					t.Errorf("answered with %+v", p)
				}
				synctest.Wait()
				if s.downs.Load() != 1 {
					t.Errorf("Down was called %d times", s.downs.Load())
				}
			})
		})
	}
}

// TestMessagesFindTheirProtocol: messages with codes at both ends of each range are delivered,
// and base codes without a meaning are ignored.
func TestMessagesFindTheirProtocol(t *testing.T) {
	actortest.Bubble(t, func(t *testing.T) {
		var log []string
		named := func(name string, length uint64) Protocol {
			s := &script{}
			s.message = func(_ actor.Context, in Inbound) error {
				log = append(log, string(text("%s%d=%s", name, in.Code, in.Payload)))
				return nil
			}
			return s.protocol(name, func(p *Protocol) { p.Length = length })
		}
		// As laid out: a 16 to 17, b 18 to 217, c none, d 218.
		r := meet(t, named("d", 1), named("b", 200), named("a", 2), named("c", 0))
		for code := uint64(4); code < 16; code++ {
			r.send(code, noise(10))
		}
		r.send(wire.HelloMsg, nil) // a second Hello; ignored like the others
		for _, code := range []uint64{16, 17, 18, 0x7f, 0x80, 217, 218} {
			r.send(code, text("%d", code))
			synctest.Wait()
		}
		if got := strings.Join(log, " "); got != "a0=16 a1=17 b0=18 b109=127 b110=128 b199=217 d0=218" {
			t.Errorf("delivered %q", got)
		}
		if c := r.link.Cause(); c != nil {
			t.Fatalf("ended: %v", c)
		}
		r.send(219, nil)
		r.expectDisconnect(wire.DiscProtocolError)
		r.conn.Close()
		if c := r.wantCause(Local, wire.DiscProtocolError, nil); !strings.Contains(c.Error(), "0xdb") {
			t.Errorf("cause %q does not name the code", c)
		}
	})
}

func TestSendRefusesCodesOfOthers(t *testing.T) {
	actortest.Bubble(t, func(t *testing.T) {
		s := &script{}
		r := meet(t, s.protocol("a", func(p *Protocol) { p.Length = 3 }), new(script).protocol("b"))
		err := s.Send(3, nil)
		var code *CodeError
		if !errors.As(err, &code) || code.Protocol != "a/1" || code.Code != 3 || code.Length != 3 || !strings.Contains(err.Error(), "a/1") {
			t.Errorf("got %v", err)
		}
		if err := s.Send(2, nil); err != nil {
			t.Error(err)
		}
		r.expect(18)
		if err := s.Send(0, make([]byte, wire.MaxPayload+1)); !errors.Is(err, wire.ErrMessageTooLarge) {
			t.Errorf("got %v for a message that is too large", err)
		}
		if err := s.Send(0, noise(wire.MaxPayload)); !errors.Is(err, wire.ErrFrameTooLarge) {
			t.Errorf("got %v for a message that no frame holds", err)
		}
		if r.link.Cause() != nil {
			t.Errorf("ended: %v", r.link.Cause())
		}
	})
}

// TestBreaches: data that no honest remote sends ends the link with the right reason and a cause
// that describes the data.
func TestBreaches(t *testing.T) {
	sealed := func(r *remote, data []byte) {
		frame, err := wire.AppendFrame(nil, uint64(data[0]), data[1:])
		if err == nil {
			err = r.Encoder.Seal(frame)
		}
		if err != nil {
			r.t.Fatal(err)
		}
		r.write(frame)
	}
	for _, tt := range []struct {
		name     string
		send     func(r *remote)
		err      error
		protocol string
	}{
		{"garbage instead of a header", func(r *remote) { r.write(noise(32)) }, wire.ErrBadHeaderMAC, ""},
		{"a frame that was changed", func(r *remote) {
			frame := r.seal(16, noise(100))
			frame[40] ^= 1
			r.write(frame)
		}, wire.ErrBadFrameMAC, ""},
		{"no snappy block", func(r *remote) { sealed(r, append([]byte{16}, 0xff, 0xff, 0xff)) }, wire.ErrCorrupt, "a/1"},
		{"a claimed size above the maximum", func(r *remote) { sealed(r, append([]byte{16}, 0x80, 0x80, 0x80, 0x08, 0)) }, wire.ErrMessageTooLarge, "a/1"},
		{"a claimed size that ten bytes cannot decompress to", func(r *remote) {
			sealed(r, append([]byte{16}, 0xff, 0xff, 0xff, 0x07, 0, 0, 0, 0, 0, 0))
		}, wire.ErrCorrupt, "a/1"},
		{"a truncated block", func(r *remote) { sealed(r, append([]byte{16}, 10, 9<<2, 1, 2)) }, wire.ErrCorrupt, "a/1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			actortest.Bubble(t, func(t *testing.T) {
				s := &script{}
				s.message = func(actor.Context, Inbound) error { t.Error("delivered"); return nil }
				r := meet(t, s.protocol("a"))
				tt.send(r)
				r.expectDisconnect(wire.DiscProtocolError)
				r.conn.Close()
				c := r.wantCause(Local, wire.DiscProtocolError, tt.err)
				if c.Protocol != tt.protocol {
					t.Errorf("cause %q names protocol %q, want %q", c, c.Protocol, tt.protocol)
				}
				if s.incarnations.Load() != 1 {
					t.Error("the protocol was restarted for the remote's fault")
				}
			})
		})
	}
}

// TestSlowFrameEndsTheLink: a frame must be complete 30 s after its first byte, however slowly it
// arrives.
func TestSlowFrameEndsTheLink(t *testing.T) {
	actortest.Bubble(t, func(t *testing.T) {
		r := meet(t, new(script).protocol("a"))
		frame := r.seal(16, noise(1000))
		begin := time.Now()
		for i := range frame {
			if _, err := r.conn.Write(frame[i : i+1]); err != nil || r.link.Cause() != nil {
				break
			}
			actortest.After(time.Second)
		}
		if took := time.Since(begin); took < frameTimeout || took > frameTimeout+2*time.Second {
			t.Errorf("link ended after %v", took)
		}
		r.conn.Close()
		r.wantCause(Local, wire.DiscReadTimeout, ErrSlowFrame)
	})
}

// TestStoppedFrameEndsTheLink: the same holds where nothing follows the beginning of the frame,
// although the reader then has nothing to read.
func TestStoppedFrameEndsTheLink(t *testing.T) {
	actortest.Bubble(t, func(t *testing.T) {
		r := meet(t, new(script).protocol("a"))
		r.send(16, noise(10)) // a whole one leaves nothing behind
		actortest.After(10 * time.Second)
		if _, err := r.conn.Write(r.seal(16, noise(1000))[:100]); err != nil {
			t.Fatal(err)
		}
		begin := time.Now()
		for r.link.Cause() == nil && time.Since(begin) < time.Minute {
			actortest.After(time.Second)
		}
		r.conn.Close()
		if took := time.Since(begin); took < frameTimeout || took > frameTimeout+5*time.Second {
			t.Errorf("link ended after %v", took)
		}
		r.wantCause(Local, wire.DiscReadTimeout, ErrSlowFrame)
	})
}

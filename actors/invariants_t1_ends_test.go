package actors

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/troupe-p2p/troupe/actors/actortest"
	"github.com/troupe-p2p/troupe/actors/supervise"
)

// noGrantTimeout is a clock without the timer that takes back an unused grant (T7).
type noGrantTimeout struct{ supervise.Clock }

func (c noGrantTimeout) AfterFunc(d time.Duration, f func()) supervise.Timer {
	if d == grantTimeout {
		f = func() {}
	}
	return c.Clock.AfterFunc(d, f)
}

// TestT1EndOfAHolderFreesTheToken: the next protocol gets the token when its holder crashes or
// stops with the token unread. The timer of T7 does not run, so only the end itself can revoke
// the grant.
func TestT1EndOfAHolderFreesTheToken(t *testing.T) {
	for _, tt := range []struct {
		name   string
		before int // crashes before: so long is the backoff of the next one
		end    func(ctx actor.Context)
	}{
		{"a crash", 0, func(actor.Context) { panic("with the token unread") }},
		{"a crash with a backoff", 8, func(actor.Context) { panic("with the token unread") }},
		{"an injected crash", 0, func(actor.Context) { panic(supervise.ErrInjected) }},
		{"a stop", 0, func(ctx actor.Context) { ctx.Stop(ctx.Self()) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			actortest.Bubble(t, func(t *testing.T) {
				n := newNode(t)
				n.clock = noGrantTimeout{supervise.SystemClock}
				ours, theirs := memPipe(64 << 10)
				a, b, end := &script{}, &script{}, make(chan struct{})
				r := meetOver(t, n, ours, theirs, a.protocol("a", func(p *Protocol) {
					p.Restart, p.Intensity = supervise.Permanent, supervise.Intensity{Restarts: -1}
				}), b.protocol("b"))
				for range tt.before {
					a.tell(func(actor.Context) { panic("to begin with") })
					actortest.After(time.Second)
				}
				a.sendThen([]byte("from a"), func(ctx actor.Context) {
					a.awaitGrant()
					<-end
					tt.end(ctx)
				})
				synctest.Wait()
				_ = b.Send(0, []byte("from b"))
				actortest.After(time.Second)
				if out := r.link.Stats().BytesOut; out != 0 {
					t.Fatalf("%d bytes were written while the token is unread", out)
				}
				begin := time.Now()
				close(end)
				got := map[uint64]string{}
				for range 2 {
					p, err := readBefore(r, 10*time.Second)
					if err != nil {
						t.Fatalf("the token was not freed: %v; got %v; cause %v", err, got, r.link.Cause())
					}
					got[p.code] = string(p.payload)
					if took := time.Since(begin); p.code == 32 && took != 0 {
						t.Errorf("the waiting protocol got the token after %v", took)
					}
				}
				if got[16] != "from a" || got[32] != "from b" {
					t.Errorf("got %v", got)
				}
			})
		})
	}
}

// The pinger's grant is revoked when the pinger stops, and the next in line gets the token.
func TestT1EndOfThePingerFreesTheToken(t *testing.T) {
	actortest.Bubble(t, func(t *testing.T) {
		r := meet(t, new(script).protocol("a"))
		p := peerOf(r)
		p.pinger = actor.NewPID(r.link.PID().Address, r.link.PID().Id+"/"+pingerName)
		p.tokens.request(pingerSlot)
		p.tokens.request(firstProtocolSlot)
		unread := p.tokens.grant()
		if unread == nil || unread.holder != pingerSlot {
			t.Fatalf("the grant is %+v, want the pinger's", unread)
		}
		p.childGone(nil, p.pinger)
		if next := p.tokens.grant(); next == nil || next.holder != firstProtocolSlot {
			t.Errorf("the next grant is %+v, want the protocol's", next)
		}
		if unread.begin() {
			t.Error("the stopped pinger's token begins")
		}
		r.conn.Close()
	})
}

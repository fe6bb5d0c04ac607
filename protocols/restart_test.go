package protocols_test

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/troupe-p2p/troupe/protocols"
	"github.com/troupe-p2p/troupe/protocols/protocoltest"
)

var errBroken = errors.New("broken")

// fragile panics or stops when requested, and answers other messages.
func fragile(ctx actor.Context, link *protocols.Link) {
	msg, ok := ctx.Message().(*ask)
	switch {
	case !ok:
	case msg.N == panics:
		panic(errBroken)
	case msg.N == stops:
		ctx.Stop(ctx.Self())
	default:
		if err := link.Send(&answer{N: msg.N}); err != nil {
			panic(err)
		}
	}
}

const panics, stops = 1000, 1001

// TestRestartKinds: how each kind of restart handles a panic and an actor that stops by itself.
func TestRestartKinds(t *testing.T) {
	for name, c := range map[string]struct {
		kind    protocols.Restart
		trouble uint64
		ends    bool
		reason  protocols.DiscReason // if the link ends
		last    string               // last lifecycle step of the protocol's actor
	}{
		"transient panics": {protocols.Transient, panics, false, 0, protocoltest.Restarted},
		"permanent panics": {protocols.Permanent, panics, false, 0, protocoltest.Restarted},
		"temporary panics": {protocols.Temporary, panics, true, protocols.DiscSubprotocolError, protocoltest.Failed},
		"transient stops":  {protocols.Transient, stops, true, protocols.DiscQuitting, protocoltest.Returned},
		"permanent stops":  {protocols.Permanent, stops, false, 0, protocoltest.Restarted},
		"temporary stops":  {protocols.Temporary, stops, true, protocols.DiscQuitting, protocoltest.Returned},
	} {
		t.Run(name, func(t *testing.T) {
			spec := talk(fragile)
			spec.Restart = c.kind
			p := protocoltest.NewPair(t, spec, byHand())
			send(t, p.B, &ask{N: c.trouble})
			if !c.ends {
				send(t, p.B, &ask{N: 7}) // not lost, because the actor is restarted
			}
			if c.ends {
				if cause := p.A.Wait(); cause.Side != protocols.Local || cause.Reason != c.reason || cause.Protocol != "talk/7" {
					t.Errorf("A ended with %v", cause)
				}
				if cause := p.B.Wait(); cause.Side != protocols.Remote || cause.Reason != c.reason {
					t.Errorf("B ended with %v", cause)
				}
			} else if got := protocoltest.Next[answer](p.B); got.N != 7 {
				t.Errorf("got answer %d", got.N)
			}
			if steps := stepsOf(p.A, "started", "stopped"); len(steps) == 0 || steps[len(steps)-1].Event != c.last {
				t.Errorf("steps are %+v, want %s at the end", steps, c.last)
			}
		})
	}
}

// stepsOf returns the steps of an end's protocol, except the given kinds.
func stepsOf(e *protocoltest.End, without ...string) (steps []protocoltest.Step) {
	for _, s := range e.Steps() {
		if s.Protocol == "talk/7" && !strings.Contains(strings.Join(without, " "), s.Event) {
			steps = append(steps, s)
		}
	}
	return steps
}

// TestGaveUp: beyond its Intensity a protocol ends the link, and the actor gets the crash as the
// cause; before that each crash costs one message and an increasing delay.
func TestGaveUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var reported *protocols.Cause
		spec := talk(func(ctx actor.Context, link *protocols.Link) {
			if down, ok := ctx.Message().(*protocols.LinkDown); ok {
				reported = down.Cause
			}
			fragile(ctx, link)
		})
		spec.Intensity = protocols.Intensity{Restarts: 3, Within: time.Minute}
		p := protocoltest.NewPair(t, spec, byHand())
		begin := time.Now()
		for n := range uint64(3) {
			send(t, p.B, &ask{N: panics})
			send(t, p.B, &ask{N: n})
			if got := protocoltest.Next[answer](p.B); got.N != n {
				t.Errorf("got answer %d, want %d", got.N, n)
			}
		}
		// The restarts come at once, after 10 ms and after 20 ms.
		if took := time.Since(begin); took != 30*time.Millisecond {
			t.Errorf("three restarts took %v", took)
		}
		send(t, p.B, &ask{N: panics})
		cause := p.A.Wait()
		if cause.Reason != protocols.DiscSubprotocolError || cause.Protocol != "talk/7" || !errors.Is(cause, errBroken) ||
			!cause.HasCode || cause.Code != askCode || !strings.Contains(string(cause.Stack), "fragile") {
			t.Errorf("ended with %v and stack\n%s", cause, cause.Stack)
		}
		if reported != cause {
			t.Errorf("the actor received %v", reported)
		}
		var events []string
		for _, s := range stepsOf(p.A) {
			events = append(events, s.Event)
		}
		want := "started failed restarted failed restarted failed restarted failed gave_up stopped"
		if got := strings.Join(events, " "); got != want && got != strings.TrimSuffix(want, " stopped") {
			t.Errorf("steps are %s, want %s", got, want)
		}
	})
}

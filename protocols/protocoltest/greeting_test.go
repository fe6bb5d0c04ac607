package protocoltest_test

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

// Greeting is the status of a counter whose version has a handshake.
type Greeting struct{ Of string }

// greeting is counting with a handshake; it calls ours before it makes the status.
func greeting(ours func(), check func(*protocols.Link, *Greeting) error) protocols.Spec {
	s := counting()
	v := &s.Versions[0]
	v.Length++
	v.Messages = append(v.Messages, protocols.Type[Greeting]())
	v.Handshake = protocols.Exchange(func(*protocols.Link) Greeting {
		ours()
		return Greeting{"an end"}
	}, check)
	return s
}

// slow takes a second of the bubble's clock, in which a test could send too early.
func slow() { time.Sleep(time.Second) }

// prompt takes no time.
func prompt() {}

// TestPairHasShakenHands: what a test sends at once arrives after the status.
func TestPairHasShakenHands(t *testing.T) {
	for name, c := range map[string]struct{ a, b func() }{
		"at once": {prompt, prompt}, "A is slow": {slow, prompt}, "B is slow": {prompt, slow}, "both are": {slow, slow},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := protocoltest.NewPair(t, greeting(c.a, nil), protocoltest.ByHand(greeting(c.b, nil)))
				send(t, p.B, &Add{N: 4})
				send(t, p.A, &Total{N: 1})
				send(t, p.B, &Ask{})
				if first, second := protocoltest.Next[Total](p.B), protocoltest.Next[Total](p.B); first.N != 1 || second.N != 4 {
					t.Errorf("totals are %d and %d, want 1 and 4", first.N, second.N)
				}
			})
		})
	}
}

// TestPairOfHalfAHandshake: a test that plays the remote's part of the handshake receives the
// end's status first, and need not answer it.
func TestPairOfHalfAHandshake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mute := protocoltest.ByHand(greeting(prompt, nil))
		mute.Versions[0].Handshake = nil
		begin := time.Now()
		p := protocoltest.NewPair(t, greeting(slow, nil), mute)
		if took := time.Since(begin); took != time.Second {
			t.Errorf("NewPair returned after %v, want the second that the status takes", took)
		}
		send(t, p.A, &Total{N: 1})
		protocoltest.Next[Greeting](p.B)
		protocoltest.Next[Total](p.B)
		if c := p.A.Wait(); !errors.Is(c, protocols.ErrHandshakeTimeout) {
			t.Errorf("ended with %v", c)
		}
		turned := protocoltest.NewPair(t, mute, greeting(slow, nil))
		send(t, turned.B, &Total{N: 2})
		protocoltest.Next[Greeting](turned.A)
	})
}

// TestPairOfABadHandshake: NewPair also returns when the handshake fails, and the cause is
// visible.
func TestPairOfABadHandshake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		no := errors.New("not with that one")
		p := protocoltest.NewPair(t, greeting(slow, func(*protocols.Link, *Greeting) error { return no }), greeting(prompt, nil))
		if c := p.A.Wait(); !errors.Is(c, no) {
			t.Errorf("ended with %v", c)
		}
		incarnations := 0
		p = protocoltest.NewPair(t, greeting(func() {
			if incarnations++; incarnations < 3 {
				panic("status panics once")
			}
		}, nil), protocoltest.ByHand(greeting(prompt, nil)))
		send(t, p.A, &Total{N: 1})
		if protocoltest.Next[Total](p.B); incarnations != 3 || p.A.Restarts() != 2 {
			t.Errorf("status sent by incarnation %d, after %d restarts", incarnations, p.A.Restarts())
		}
		p = protocoltest.NewPair(t, greeting(func() { panic("status always panics") }, nil), greeting(prompt, nil))
		if c := p.A.Wait(); c.Side != protocols.Local || c.Reason != protocols.DiscSubprotocolError {
			t.Errorf("ended with %v", c)
		}
	})
}

// TestPairWhoseHandshakeHangs: the wait for a handshake that hangs is bounded.
func TestPairWhoseHandshakeHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		hanging := greeting(func() { <-release }, nil)
		hanging.Versions[0].Handshake = hanging.Versions[0].Handshake.Within(time.Hour)
		patient := greeting(prompt, nil)
		patient.Versions[0].Handshake = patient.Versions[0].Handshake.Within(time.Hour)
		if _, err := protocoltest.Connect(hanging, patient); err == nil || !strings.Contains(err.Error(), "end A: the handshake is not done") {
			t.Errorf("connected with %v", err)
		}
		close(release)
	})
}

// TestPairDoesNotWaitForLinkUp: an actor may wait for the test in its LinkUp.
func TestPairDoesNotWaitForLinkUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		up := make(chan struct{})
		spec := greeting(prompt, nil)
		spec.New = func() actor.Actor {
			return actor.ReceiveFunc(func(ctx actor.Context) {
				if _, ok := ctx.Message().(*protocols.LinkUp); ok {
					up <- struct{}{}
				}
			})
		}
		p := protocoltest.NewPair(t, spec, protocoltest.ByHand(greeting(prompt, nil)))
		<-up
		send(t, p.B, &Ask{})
	})
}

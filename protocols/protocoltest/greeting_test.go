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

// Greeting is the status of a counter that begins with one.
type Greeting struct{ Of string }

// greeting is counting with a handshake, for which ours is called first.
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

// slow takes a second of the bubble: time in which a test could send too early.
func slow() { time.Sleep(time.Second) }

// prompt takes no time.
func prompt() {}

// TestPairHasShakenHands: what a test sends at once comes after the status.
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

// TestPairOfHalfAHandshake: who plays the remote's part by hand has the end's status first,
// and may leave the end without an answer.
func TestPairOfHalfAHandshake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mute := protocoltest.ByHand(greeting(prompt, nil))
		mute.Versions[0].Handshake = nil
		begin := time.Now()
		p := protocoltest.NewPair(t, greeting(slow, nil), mute)
		if took := time.Since(begin); took != time.Second {
			t.Errorf("the Pair came after %v, want the second that the status takes", took)
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

// TestPairOfABadHandshake: a Pair comes, too, when the handshake fails, and shows how.
func TestPairOfABadHandshake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		no := errors.New("not with that one")
		p := protocoltest.NewPair(t, greeting(slow, func(*protocols.Link, *Greeting) error { return no }), greeting(prompt, nil))
		if c := p.A.Wait(); !errors.Is(c, no) {
			t.Errorf("ended with %v", c)
		}
		lives := 0
		p = protocoltest.NewPair(t, greeting(func() {
			if lives++; lives < 3 {
				panic("can't say")
			}
		}, nil), protocoltest.ByHand(greeting(prompt, nil)))
		send(t, p.A, &Total{N: 1})
		if protocoltest.Next[Total](p.B); lives != 3 || p.A.Restarts() != 2 {
			t.Errorf("said in life %d, after %d restarts", lives, p.A.Restarts())
		}
		p = protocoltest.NewPair(t, greeting(func() { panic("can't say ever") }, nil), greeting(prompt, nil))
		if c := p.A.Wait(); c.Side != protocols.Local || c.Reason != protocols.DiscSubprotocolError {
			t.Errorf("ended with %v", c)
		}
	})
}

// TestPairWhoseHandshakeHangs is not waited for without end.
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

// TestPairDoesNotWaitForLinkUp: an actor may wait for the test there.
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

package protocols_test

import (
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/troupe-p2p/troupe/protocols"
	"github.com/troupe-p2p/troupe/protocols/protocoltest"
)

// lagging is talk/7 whose links pass on all texts to a service that handles them one at a time
// with handle.
type lagging struct {
	passed     atomic.Int64 // counted by the link's actor
	handled    []string     // recorded by the service
	fromOthers atomic.Int64 // messages of other actors that the link's actor received
	handle     func(*text)
}

// nudge is a message of another actor.
type nudge struct{}

func (l *lagging) spec() protocols.Spec {
	s := talk(func(ctx actor.Context, link *protocols.Link) {
		switch msg := ctx.Message().(type) {
		case *text:
			l.passed.Add(1)
			link.PassOn(msg)
		case nudge:
			l.fromOthers.Add(1)
		case *answer:
			if err := link.Send(msg); err != nil {
				panic(err)
			}
		}
	})
	s.Limits = protocols.Limits{Inbound: 10_000}
	s.Service = func() actor.Actor {
		return actor.ReceiveFunc(func(ctx actor.Context) {
			if msg, ok := ctx.Message().(*text); ok {
				l.handle(msg)
				l.handled = append(l.handled, msg.S)
				if msg.S == "last" {
					ctx.Respond(&answer{N: uint64(len(l.handled))})
				}
			}
		})
	}
	return s
}

// TestPassOn: a slow service holds the remote back, and receives everything in order in the end;
// other actors reach the link's actor all the time.
func TestPassOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 40
		goOn := make(chan struct{})
		l := &lagging{handle: func(*text) { <-goOn }}
		p := protocoltest.NewPair(t, l.spec(), byHand())
		for i := range n {
			send(t, p.B, &text{S: fmt.Sprint(i), B: make([]byte, 1000)})
		}
		send(t, p.B, &text{S: "last"})
		synctest.Wait()
		// Each has 1007 bytes and is counted with 64 more.
		if got := l.passed.Load(); got != 10 {
			t.Errorf("%d were passed on to a service that handles none, want 10", got)
		}
		p.A.Tell(p.A.Self(), nudge{})
		synctest.Wait()
		if l.fromOthers.Load() != 1 || l.passed.Load() != 10 {
			t.Errorf("another actor's message: got %d; %d were passed on then", l.fromOthers.Load(), l.passed.Load())
		}
		for range 5 {
			goOn <- struct{}{}
		}
		synctest.Wait()
		if got := l.passed.Load(); got != 10 {
			t.Errorf("%d were passed on while half of them were waiting, want 10", got)
		}
		goOn <- struct{}{}
		synctest.Wait()
		if got := l.passed.Load(); got != 16 {
			t.Errorf("%d were passed on when the service had caught up, want 16", got)
		}
		p.A.Crash() // the new actor is held back as the old one was
		synctest.Wait()
		if got := l.passed.Load(); got > 17 {
			t.Errorf("%d were passed on after a restart, want 17 at most", got)
		}
		close(goOn)
		if got := protocoltest.Next[answer](p.B); got.N != n+1 {
			t.Errorf("the service handled %d, want %d", got.N, n+1)
		}
		for i, got := range l.handled[:n] {
			if got != fmt.Sprint(i) {
				t.Fatalf("the service received %q instead of %d", got, i)
			}
		}
	})
}

// TestPassOnToAServiceThatCrashes: each crash loses one message and frees its room.
func TestPassOnToAServiceThatCrashes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 60
		l := new(lagging)
		l.handle = func(msg *text) {
			if len(msg.S) == 2 && strings.HasSuffix(msg.S, "5") {
				panic(errBroken)
			}
		}
		p := protocoltest.NewPair(t, l.spec(), byHand())
		for i := range n {
			send(t, p.B, &text{S: fmt.Sprint(i), B: make([]byte, 3000)})
		}
		send(t, p.B, &text{S: "last"})
		if got := protocoltest.Next[answer](p.B); got.N != n+1-5 {
			t.Errorf("the service handled %d, want all %d except five", got.N, n+1)
		}
	})
}

// TestPassOnToAServiceThatIsStuck: the link ends as stalled, and the cause names the protocol.
func TestPassOnToAServiceThatIsStuck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		goOn := make(chan struct{})
		l := &lagging{handle: func(*text) { <-goOn }}
		p := protocoltest.NewPair(t, l.spec(), byHand())
		begin := time.Now()
		for range 40 {
			send(t, p.B, &text{B: make([]byte, 1000)})
		}
		<-p.A.Context().Done()
		c := p.A.Cause()
		if c.Protocol != "talk/7" || c.Reason != protocols.DiscSubprotocolError || time.Since(begin) < 20*time.Second {
			t.Errorf("ended with %v after %v", c, time.Since(begin))
		}
		close(goOn)
	})
}

// TestPassOnWithoutService: PassOn without a Service is an error of the protocol, and the cause
// says so.
func TestPassOnWithoutService(t *testing.T) {
	l := new(lagging)
	s := l.spec()
	s.Service, s.Restart = nil, protocols.Temporary
	p := protocoltest.NewPair(t, s, byHand())
	send(t, p.B, &text{})
	if c := p.A.Wait(); !strings.Contains(c.Error(), "PassOn(*protocols_test.text), but the Spec of talk/7 has no Service") || errors.Is(c.Err, errBroken) {
		t.Errorf("ended with %v", c)
	}
}

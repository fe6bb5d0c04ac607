package protocoltest_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/troupe-p2p/troupe/protocols"
	"github.com/troupe-p2p/troupe/protocols/protocoltest"
)

// The protocol under test adds up numbers, and sends the total when asked.
type (
	Add   struct{ N uint64 }
	Total struct{ N uint64 }
	Ask   struct{}
)

type counter struct{ link *protocols.Link }

func (c *counter) Receive(ctx actor.Context) {
	switch msg := ctx.Message().(type) {
	case *protocols.LinkUp:
		c.link = msg.Link
	case *Add:
		*protocols.State[uint64](c.link) += msg.N
	case *Ask:
		if err := c.link.Send(&Total{N: *protocols.State[uint64](c.link)}); err != nil {
			panic(err)
		}
	}
}

func counting() protocols.Spec {
	return protocols.Spec{
		Name: "count",
		Versions: []protocols.Version{{Number: 1, Length: 3, Messages: []protocols.Message{
			protocols.Type[Add](), protocols.Type[Ask](), protocols.Type[Total](),
		}}},
		New: func() actor.Actor { return new(counter) },
	}
}

func TestPairTalks(t *testing.T) {
	p := protocoltest.NewPair(t, counting(), protocoltest.ByHand(counting()))
	for n := range uint64(3) {
		send(t, p.B, &Add{N: n + 1})
	}
	send(t, p.B, &Ask{})
	if got := protocoltest.Next[Total](p.B); got.N != 6 {
		t.Errorf("total is %d, want 6", got.N)
	}
}

func send(t *testing.T, from *protocoltest.End, msg any) {
	t.Helper()
	if err := from.Send(msg); err != nil {
		t.Fatal(err)
	}
}

func TestPairInABubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := protocoltest.NewPair(t, counting(), protocoltest.ByHand(counting()))
		begin := time.Now()
		send(t, p.B, &Add{N: 4})
		synctest.Wait()
		if got := *protocols.State[uint64](p.A.Link); got != 4 {
			t.Errorf("at rest the total is %d, want 4", got)
		}
		time.Sleep(10 * time.Minute) // pings keep the link up
		send(t, p.B, &Ask{})
		if got := protocoltest.Next[Total](p.B); got.N != 4 {
			t.Errorf("total is %d, want 4", got.N)
		}
		if took := time.Since(begin); took != 10*time.Minute {
			t.Errorf("%v have passed, want 10 minutes of the bubble's clock", took)
		}
	})
}

func TestCrashKeepsState(t *testing.T) {
	p := protocoltest.NewPair(t, counting(), protocoltest.ByHand(counting()))
	send(t, p.B, &Add{N: 2})
	for range 8 { // more than the intensity allows
		p.A.Crash()
	}
	send(t, p.B, &Add{N: 3})
	send(t, p.B, &Ask{})
	if got := protocoltest.Next[Total](p.B); got.N != 5 {
		t.Errorf("total is %d, want 5", got.N)
	}
	if got := p.A.Restarts(); got != 8 {
		t.Errorf("%d restarts, want 8", got)
	}
	if got := p.B.Restarts(); got != 0 {
		t.Errorf("%d restarts at the other end, want 0", got)
	}
}

func TestCrashOfTemporaryEndsTheLink(t *testing.T) {
	spec := counting()
	spec.Restart = protocols.Temporary
	p := protocoltest.NewPair(t, spec, protocoltest.ByHand(counting()))
	p.A.Crash()
	if c := p.A.Wait(); c.Side != protocols.Local || c.Reason != protocols.DiscSubprotocolError || c.Protocol != "count/1" {
		t.Errorf("A ended with %v", c)
	}
	if c := p.B.Wait(); c.Side != protocols.Remote || c.Reason != protocols.DiscSubprotocolError {
		t.Errorf("B ended with %v", c)
	}
	var events []string
	for _, s := range p.A.Steps() {
		if s.Protocol != "" {
			events = append(events, s.Event)
		}
	}
	if got := strings.Join(events, " "); !strings.HasPrefix(got, "started failed") {
		t.Errorf("steps of A's protocol are %q", got)
	}
}

func TestDisconnectReachesBothEnds(t *testing.T) {
	p := protocoltest.NewPair(t, counting(), counting())
	if p.A.Cause() != nil {
		t.Errorf("the link has ended: %v", p.A.Cause())
	}
	p.B.Disconnect(protocols.DiscUselessPeer)
	if c := p.A.Wait(); c.Side != protocols.Remote || c.Reason != protocols.DiscUselessPeer {
		t.Errorf("A ended with %v", c)
	}
	if c := p.B.Wait(); c.Side != protocols.Local || c.Reason != protocols.DiscUselessPeer {
		t.Errorf("B ended with %v", c)
	}
}

func TestCut(t *testing.T) {
	p := protocoltest.NewPair(t, counting(), counting())
	p.Cut()
	for _, e := range []*protocoltest.End{p.A, p.B} {
		if c := e.Wait(); c.Side != protocols.Network {
			t.Errorf("ended with %v, want the network's side", c)
		}
	}
}

// TestPauseIsARemoteThatDoesNotRead: a paused end can send, and what the other end sends waits.
// It notices nothing until a timeout.
func TestPauseIsARemoteThatDoesNotRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := protocoltest.NewPair(t, counting(), protocoltest.ByHand(counting()))
		p.B.Pause()
		send(t, p.B, &Add{N: 5})
		send(t, p.B, &Ask{})
		synctest.Wait()
		if got := *protocols.State[uint64](p.A.Link); got != 5 {
			t.Errorf("A has counted %d, want 5", got)
		}
		begin := time.Now()
		p.B.Resume()
		if got := protocoltest.Next[Total](p.B); got.N != 5 || time.Since(begin) > 0 {
			t.Errorf("total is %d after %v", got.N, time.Since(begin))
		}
		p.B.Pause()
		<-p.B.Context().Done() // longer than Wait waits
		if c := p.B.Wait(); c.Side != protocols.Local || c.Reason != protocols.DiscReadTimeout {
			t.Errorf("B received nothing more and ended with %v", c)
		}
	})
}

func TestPairNeedsSomethingInCommon(t *testing.T) {
	other := counting()
	other.Versions[0].Number = 2
	if _, err := protocoltest.Connect(counting(), other); err == nil || !strings.Contains(err.Error(), "count/1") || !strings.Contains(err.Error(), "count/2") {
		t.Errorf("got %v, want both versions named", err)
	}
	broken := counting()
	broken.New = nil
	if _, err := protocoltest.Connect(counting(), broken); err == nil || !strings.Contains(err.Error(), "end B") {
		t.Errorf("got %v, want end B named", err)
	}
}

func TestHigherVersionRuns(t *testing.T) {
	both := counting()
	both.Versions = append(both.Versions, protocols.Version{Number: 2, Length: 3, Messages: both.Versions[0].Messages})
	p := protocoltest.NewPair(t, both, both)
	if p.A.Name() != "count" || p.A.Version() != 2 || p.B.Version() != 2 {
		t.Errorf("%s/%d runs at A and version %d at B", p.A.Name(), p.A.Version(), p.B.Version())
	}
	if peer := p.A.Peer(); peer.Name != "protocoltest B" || peer.Inbound || !peer.Addr.IsValid() || strings.Join(peer.Caps, " ") != "count/2" {
		t.Errorf("A's peer is %+v", peer)
	}
	if peer := p.B.Peer(); peer.Name != "protocoltest A" || !peer.Inbound {
		t.Errorf("B's peer is %+v", peer)
	}
}

// TestNextFailsOnOtherTypes: a test failure is reported and names the end concerned.
func TestNextFailsOnOtherTypes(t *testing.T) {
	for name, c := range map[string]struct {
		provoke func(*protocoltest.Pair) error
		want    []string
	}{
		"another message": {func(p *protocoltest.Pair) error { return p.A.Send(&Add{N: 3}) }, []string{"end B", "Add", "N:3", "Total"}},
		"the link's end": {func(p *protocoltest.Pair) error {
			p.A.Disconnect(protocols.DiscUselessPeer)
			p.A.Wait()
			return nil
		}, []string{"end B", "Total", "useless peer"}},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := protocoltest.Connect(counting(), protocoltest.ByHand(counting()))
			if err != nil {
				t.Fatal(err)
			}
			defer func() {
				said, _ := recover().(string)
				for _, want := range c.want {
					if !strings.Contains(said, want) {
						t.Errorf("%q is missing in %q", want, said)
					}
				}
				if err := p.Close(); err != nil {
					t.Error(err)
				}
			}()
			if err := c.provoke(p); err != nil {
				t.Fatal(err)
			}
			protocoltest.Next[Total](p.B)
			t.Error("Next returned")
		})
	}
}

func TestStuckActorIsNamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		stuck := counting()
		stuck.New = func() actor.Actor {
			return actor.ReceiveFunc(func(ctx actor.Context) {
				if _, ok := ctx.Message().(*Ask); ok {
					<-release
				}
			})
		}
		p, err := protocoltest.Connect(stuck, protocoltest.ByHand(counting()))
		if err != nil {
			t.Fatal(err)
		}
		send(t, p.B, &Ask{})
		synctest.Wait()
		if err := p.Close(); err == nil || !strings.Contains(err.Error(), "end A") || strings.Contains(err.Error(), "end B") {
			t.Errorf("Close returned %v, want an error that names end A only", err)
		}
		close(release)
		p.A.Wait()
	})
}

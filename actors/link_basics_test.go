package actors

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/troupe-p2p/troupe/actors/actortest"
	"github.com/troupe-p2p/troupe/actors/supervise"
	"github.com/troupe-p2p/troupe/wire"
)

func TestTwoLinksTalk(t *testing.T) {
	for name, connect := range map[string]func(testing.TB, []Protocol, []Protocol) *rig{"memory": connect, "TCP": connectTCP} {
		t.Run(name, func(t *testing.T) {
			got := make(chan string, 10)
			ping, pong := &script{}, &script{}
			ping.up = func(actor.Context) { _ = ping.Send(3, []byte("hello")) }
			ping.message = func(_ actor.Context, in Inbound) error { got <- string(in.Payload); return nil }
			pong.message = func(_ actor.Context, in Inbound) error {
				return pong.Send(in.Code+1, append([]byte("you said "), in.Payload...))
			}
			r := connect(t, []Protocol{ping.protocol("p")}, []Protocol{pong.protocol("p")})
			if s := <-got; s != "you said hello" {
				t.Errorf("got %q", s)
			}
			r.la.Disconnect(wire.DiscTooManyPeers, nil)
			wantCause(t, r.a, Local, wire.DiscTooManyPeers, nil)
			wantCause(t, r.b, Remote, wire.DiscTooManyPeers, nil)
		})
	}
}

// TestLinkTellsWhatItIs: a link's properties, on both ends.
func TestLinkTellsWhatItIs(t *testing.T) {
	a, b := &script{}, &script{}
	r := connectTCP(t,
		[]Protocol{a.protocol("b"), new(script).protocol("a"), new(script).protocol("mine")},
		[]Protocol{b.protocol("b"), new(script).protocol("a"), new(script).protocol("yours")})
	if r.la.Inbound() || !r.lb.Inbound() {
		t.Error("Inbound is wrong")
	}
	if r.la.RemoteID() != r.b.hello(nil).ID || r.lb.RemoteID() != r.a.hello(nil).ID {
		t.Error("RemoteID is wrong")
	}
	if r.la.RemoteAddr().String() != r.lb.LocalAddr().String() || r.la.LocalAddr().String() != r.lb.RemoteAddr().String() {
		t.Error("the addresses are wrong")
	}
	if got := r.la.Caps(); !slices.Equal(got, []wire.Cap{{Name: "a", Version: 1}, {Name: "b", Version: 1}}) {
		t.Errorf("the link runs %v", got)
	}
	if got := r.lb.Hello(); got.Name != "test" || len(got.Caps) != 3 {
		t.Errorf("the remote's Hello is %+v", got)
	}
	h := r.la.Host("b")
	if h != a.Host || r.la.Host("mine") != nil || h.Link() != r.la || h.Protocol().Name != "b" || h.Protocol().Budget != DefaultBudget {
		t.Errorf("host is %+v", h)
	}
	if supervise.Path(h.PID()) != "node/peer/b" || supervise.Path(r.la.PID()) != "node/peer" {
		t.Errorf("paths are %s and %s", supervise.Path(h.PID()), supervise.Path(r.la.PID()))
	}
	if r.la.Cause() != nil || h.Context().Err() != nil || isDone(r.la.Done()) {
		t.Error("the link is not up")
	}
	r.la.Disconnect(wire.DiscTooManyPeers, nil)
	<-h.Context().Done()
	if c := context.Cause(h.Context()); c != error(r.la.Cause()) {
		t.Errorf("the context's cause is %v", c)
	}
	<-r.la.Done()
	<-r.lb.Done()
}

// TestLinkCounts: messages and bytes of both directions are counted, and subscribers get events.
func TestLinkCounts(t *testing.T) {
	actortest.Bubble(t, func(t *testing.T) {
		n := newNode(t)
		n.feed = NewFeed()
		s := &script{}
		s.message = func(_ actor.Context, in Inbound) error {
			if limit := len(in.Payload) + 16; in.WireSize == 0 || in.WireSize > limit || in.ReceivedAt.IsZero() {
				t.Errorf("wire size %d for %d bytes, received at %v", in.WireSize, len(in.Payload), in.ReceivedAt)
			}
			return s.Send(in.Code+1, append(in.Payload, 1, 2, 3))
		}
		ours, theirs := memPipe(64 << 10)
		r := meetOver(t, n, ours, theirs, new(script).protocol("a"), s.protocol("b"))
		r.send(32+2, noise(10)) // without a subscriber
		r.expect(32 + 3)
		ctx, leave := context.WithCancel(t.Context())
		events := n.feed.Subscribe(ctx, 10)
		r.send(32+4, noise(1000))
		r.expect(32 + 5)
		synctest.Wait()
		leave()
		var got []MessageEvent
		for e := range events {
			got = append(got, e)
		}
		if len(got) != 2 || got[0].Sent || got[0].Code != 4 || got[0].Size != 1000 || !got[1].Sent || got[1].Code != 5 || got[1].Size != 1003 {
			t.Errorf("events %+v", got)
		}
		for _, e := range got {
			if e.Link != r.link || e.Protocol != s.Protocol().Cap() || e.Time.IsZero() {
				t.Errorf("event %+v", e)
			}
		}
		stats := r.link.Stats()
		if stats.MsgsIn != 2 || stats.MsgsOut != 2 {
			t.Errorf("counted %+v", stats)
		}
		// A frame has 32 bytes of header, 16 of MAC, and padding.
		if stats.BytesIn < 1000+2*48 || stats.BytesIn > 1000+2*48+64 || stats.BytesOut <= stats.BytesIn-16 {
			t.Errorf("counted %+v", stats)
		}
	})
}

// TestHostOutlivesIncarnations: the host keeps its state, so a second incarnation finds it.
func TestHostOutlivesIncarnations(t *testing.T) {
	actortest.Bubble(t, func(t *testing.T) {
		s := &script{}
		p := s.protocol("a")
		mount := p.Mount
		p.Mount = func(h *Host) func() Behaviour { h.Attach("kept"); return mount(h) }
		r := meet(t, p)
		if v := r.link.Host("a").Attached(); v != "kept" {
			t.Errorf("attached %v", v)
		}
		first := s.Host
		r.link.root.Send(s.PID(), &supervise.Inject{})
		synctest.Wait()
		if s.incarnations.Load() != 2 || s.Host != first || first.Attached() != "kept" {
			t.Errorf("%d incarnations, attached %v", s.incarnations.Load(), first.Attached())
		}
	})
}

// TestDeferredMessagesKeepTheirSender: messages of other actors during a sequence are delivered
// after it, with their senders, and answers reach those senders.
func TestDeferredMessagesKeepTheirSender(t *testing.T) {
	actortest.Bubble(t, func(t *testing.T) {
		s := &script{}
		s.message = func(actor.Context, Inbound) error { return s.SendSeq(numbered(100, 10_000, nil)) }
		var forwardTo *actor.PID
		s.other = func(ctx actor.Context) {
			switch ctx.Message() {
			case "question":
				ctx.Respond("answer")
			case "letter":
				ctx.Forward(forwardTo)
			case "without sender":
				ctx.Respond("unused")
			}
		}
		r := meet(t, s.protocol("a"))
		r.send(16, nil)
		synctest.Wait()
		var mu sync.Mutex
		var log []string
		listener := r.node.system.Root.Spawn(actor.PropsFromFunc(func(ctx actor.Context) {
			if text, ok := ctx.Message().(string); ok {
				mu.Lock()
				defer mu.Unlock()
				log = append(log, text)
			}
		}))
		forwardTo = listener
		for _, question := range []string{"question", "letter"} {
			r.link.root.RequestWithCustomSender(s.PID(), question, listener)
		}
		r.link.root.Send(s.PID(), "without sender")
		synctest.Wait()
		if len(log) != 0 {
			t.Errorf("answered during the sequence: %v", log)
		}
		for range 100 {
			r.expect(17)
		}
		synctest.Wait()
		mu.Lock()
		defer mu.Unlock()
		if got := strings.Join(log, ", "); got != "answer, letter" {
			t.Errorf("the sender got %q", got)
		}
		r.node.system.Root.Stop(listener)
	})
}

// TestChildrenOfAProtocol: when an actor fails that a protocol's actor has spawned, it is
// stopped, and nothing else happens.
func TestChildrenOfAProtocol(t *testing.T) {
	actortest.Bubble(t, func(t *testing.T) {
		s := &script{}
		r := meet(t, s.protocol("a"))
		var child *actor.PID
		s.tell(func(ctx actor.Context) {
			child = ctx.Spawn(actor.PropsFromFunc(func(ctx actor.Context) {
				if ctx.Message() == "fail" {
					panic(errors.New("a child's own"))
				}
			}))
		})
		synctest.Wait()
		r.link.root.Send(child, "fail")
		synctest.Wait()
		if r.node.hasActor(child.Id) || s.incarnations.Load() != 1 || r.link.Cause() != nil {
			t.Errorf("child exists: %v, the protocol had %d incarnations, cause %v", r.node.hasActor(child.Id), s.incarnations.Load(), r.link.Cause())
		}
	})
}

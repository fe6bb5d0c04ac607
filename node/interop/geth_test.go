package interop_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/ethereum/go-ethereum/log"
	"github.com/ethereum/go-ethereum/p2p"
	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/troupe-p2p/troupe/actors/actortest"
	"github.com/troupe-p2p/troupe/node"
	"github.com/troupe-p2p/troupe/node/nodetest"
	"github.com/troupe-p2p/troupe/node/nodetest/fixture"
	"github.com/troupe-p2p/troupe/protocols"
	"github.com/troupe-p2p/troupe/wire"
)

// geth is a go-ethereum node in this process.
type geth struct {
	*p2p.Server
	self   *enode.Node
	log    actortest.Log
	events chan *p2p.PeerEvent
}

func startGeth(t *testing.T, edit func(*p2p.Config)) *geth {
	t.Helper()
	g := &geth{events: make(chan *p2p.PeerEvent, 64)}
	g.Server, g.self = fixture.Geth(t, func(c *p2p.Config) {
		c.Logger = log.NewLogger(log.JSONHandlerWithLevel(&g.log, log.LevelTrace))
		edit(c)
	})
	sub := g.SubscribeEvents(g.events)
	t.Cleanup(sub.Unsubscribe)
	return g
}

// logHas waits until go-ethereum's log contains these words.
func (g *geth) logHas(t *testing.T, words string) {
	t.Helper()
	actortest.Eventually(t, "go-ethereum's log has: "+words, func() bool { return len(g.log.Lines(words)) > 0 })
}

// next waits for the next event of a kind.
func (g *geth) next(t *testing.T, kind p2p.PeerEventType) *p2p.PeerEvent {
	t.Helper()
	for {
		if e := actortest.Receive(t, g.events); e.Type == kind {
			return e
		}
	}
}

// silent is a go-ethereum protocol that only reads.
func silent(name string) p2p.Protocol {
	return p2p.Protocol{Name: name, Version: 1, Length: 2, Run: func(_ *p2p.Peer, rw p2p.MsgReadWriter) error {
		return fixture.Drain(rw)
	}}
}

// TestGethConversation: a go-ethereum node and ours talk over two protocols of one link at the
// same time, whichever of them dials.
func TestGethConversation(t *testing.T) {
	for _, theyDial := range []bool{true, false} {
		name := "we dial"
		if theyDial {
			name = "they dial"
		}
		t.Run(name, func(t *testing.T) { converse(t, theyDial) })
	}
}

// converse holds one conversation.
func converse(t *testing.T, theyDial bool) {
	main := conversation{name: "talk", small: 20_000, medium: 20, large: 1, bulk: lotsOfNoise()}
	aside := conversation{name: "aside", small: main.small / 10, bulk: main.bulk}
	theirs, ours := make(chan error, 8), make(chan error, 8)
	g := startGeth(t, func(c *p2p.Config) {
		c.Protocols = []p2p.Protocol{main.theirs(theirs), aside.theirs(theirs)}
	})
	n := nodetest.Start(t, func(c *node.Config) {
		c.Specs = []protocols.Spec{main.ours(ours), aside.ours(ours)}
	})
	events := nodetest.Watch(t, n)
	if theyDial {
		g.AddPeer(n.Self())
	} else if err := n.AddPeer(g.self); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := actortest.Receive(t, theirs); err != nil {
			t.Errorf("go-ethereum's side: %v", err)
		}
		if err := actortest.Receive(t, ours); err != nil {
			t.Errorf("our side: %v", err)
		}
	}
	p := nodetest.Peer(t, n, g.self.ID())
	if p.Inbound != theyDial || p.Name != "geth" || len(p.Caps) != 2 {
		t.Errorf("peer %+v, want geth with two capabilities and inbound %v", p, theyDial)
	}
	if each := uint64(main.messages() + aside.messages()); p.MessagesIn != each || p.MessagesOut != each {
		t.Errorf("%d messages in and %d out, want %d", p.MessagesIn, p.MessagesOut, each)
	}
	if since := events.Next(node.PeerAdded).Peer.Since; since != p.Since {
		t.Error("the conversation needed more than one link")
	}
}

// reasons are all reasons that the specification names.
var reasons = []protocols.DiscReason{
	protocols.DiscRequested, protocols.DiscNetworkError, protocols.DiscProtocolError, protocols.DiscUselessPeer,
	protocols.DiscTooManyPeers, protocols.DiscAlreadyConnected, protocols.DiscIncompatibleVersion,
	protocols.DiscInvalidIdentity, protocols.DiscQuitting, protocols.DiscUnexpectedIdentity, protocols.DiscSelf,
	protocols.DiscReadTimeout, protocols.DiscSubprotocolError,
}

// part is the name of a protocol in which either side ends the link.
const part = "part"

// TestWeReportGethsReason: our events and our log have the reason for which go-ethereum ends a
// link.
func TestWeReportGethsReason(t *testing.T) {
	reason := make(chan p2p.DiscReason)
	g := startGeth(t, func(c *p2p.Config) {
		c.Protocols = []p2p.Protocol{{Name: part, Version: 1, Length: 2, Run: func(*p2p.Peer, p2p.MsgReadWriter) error {
			return <-reason
		}}}
	})
	for _, want := range reasons {
		if want == protocols.DiscNetworkError {
			continue // go-ethereum closes without a Disconnect then
		}
		t.Run(want.String(), func(t *testing.T) {
			var log nodetest.Log
			n := nodetest.Start(t, func(c *node.Config) {
				c.Specs, c.Logger = []protocols.Spec{fixture.NewAsker().Spec(part)}, log.Logger()
			})
			events := nodetest.Watch(t, n)
			if err := n.AddPeer(g.self); err != nil {
				t.Fatal(err)
			}
			events.Next(node.PeerAdded)
			reason <- p2p.DiscReason(want)
			if c := events.Next(node.PeerDropped).Cause; c.Side != protocols.Remote || c.Reason != want || c.Err != nil {
				t.Errorf("cause %v, want remote: %v", c, want)
			}
			peer := "peer-" + g.self.ID().String()[:8]
			actortest.Eventually(t, "the log has the reason", func() bool {
				steps := log.Steps(t, peer)
				last := steps[len(steps)-1]
				return last.Event == "stopped" && last.Reason == "remote: "+want.String()
			})
		})
	}
}

// TestGethReportsOurReason: go-ethereum's events have the reason for which our node ends a link.
func TestGethReportsOurReason(t *testing.T) {
	g := startGeth(t, func(c *p2p.Config) { c.Protocols = []p2p.Protocol{silent(part)} })
	dial := func(t *testing.T, spec protocols.Spec) *node.Node {
		n := nodetest.Start(t, func(c *node.Config) { c.Specs, c.Logger = []protocols.Spec{spec}, nil })
		if err := n.AddPeer(g.self); err != nil {
			t.Fatal(err)
		}
		g.next(t, p2p.PeerEventTypeAdd)
		return n
	}
	reported := func(t *testing.T, want protocols.DiscReason) {
		t.Helper()
		if e := g.next(t, p2p.PeerEventTypeDrop); e.Error != p2p.DiscReason(want).String() {
			t.Errorf("go-ethereum's event has %q, want %q", e.Error, p2p.DiscReason(want))
		}
	}
	for _, want := range reasons {
		t.Run(want.String(), func(t *testing.T) {
			asks := fixture.NewAsker()
			dial(t, asks.Spec(part))
			actortest.Receive(t, asks.Links).Link.Disconnect(want)
			reported(t, want)
		})
	}
	t.Run("node stops", func(t *testing.T) {
		asks := fixture.NewAsker()
		n := dial(t, asks.Spec(part))
		actortest.Receive(t, asks.Links) // before that there is no link to end
		if err := n.Stop(context.Background()); err != nil {
			t.Fatal(err)
		}
		reported(t, protocols.DiscQuitting)
	})
	t.Run("protocol cannot start", func(t *testing.T) {
		spec := fixture.NewAsker().Spec(part)
		spec.New = func() actor.Actor { panic("no actor") }
		dial(t, spec)
		reported(t, protocols.DiscSubprotocolError)
	})
}

// TestGethRefusals: a node that refuses the other during the handshake sends the reason, and the
// other one reports it.
func TestGethRefusals(t *testing.T) {
	spec := fixture.NewAsker().Spec(part)
	t.Run("go-ethereum has too many peers", func(t *testing.T) {
		// go-ethereum keeps its only slot for its own dials, so it accepts no inbound peer.
		g := startGeth(t, func(c *p2p.Config) { c.Protocols, c.MaxPeers = []p2p.Protocol{silent(part)}, 1 })
		n := nodetest.Start(t, func(c *node.Config) { c.Specs = []protocols.Spec{spec} })
		events := nodetest.Watch(t, n)
		if err := n.AddPeer(g.self); err != nil {
			t.Fatal(err)
		}
		var remote *wire.RemoteDisconnect
		if e := events.Next(node.SetupFailed); !errors.As(e.Err, &remote) || remote.Reason != wire.DiscTooManyPeers {
			t.Errorf("setup failed with %v, want the remote's %v", e.Err, wire.DiscTooManyPeers)
		}
	})
	t.Run("our node has too many peers", func(t *testing.T) {
		g := startGeth(t, func(c *p2p.Config) { c.Protocols = []p2p.Protocol{silent(part)} })
		n := nodetest.Start(t, func(c *node.Config) { c.Specs, c.MaxPeers = []protocols.Spec{spec}, -1 })
		events := nodetest.Watch(t, n)
		g.AddPeer(n.Self())
		if e := events.Next(node.SetupFailed); !errors.Is(e.Err, node.ErrTooManyPeers) {
			t.Errorf("our node refused with %v, want %v", e.Err, node.ErrTooManyPeers)
		}
		g.logHas(t, p2p.DiscTooManyPeers.String())
	})
	t.Run("nothing in common", func(t *testing.T) {
		g := startGeth(t, func(c *p2p.Config) { c.Protocols = []p2p.Protocol{silent("other")} })
		n := nodetest.Start(t, func(c *node.Config) { c.Specs = []protocols.Spec{spec} })
		events := nodetest.Watch(t, n)
		g.AddPeer(n.Self())
		if e := events.Next(node.SetupFailed); !errors.Is(e.Err, node.ErrUselessPeer) || !strings.Contains(e.Err.Error(), "other/1") {
			t.Errorf("our node refused with %v, want %v with other/1", e.Err, node.ErrUselessPeer)
		}
		g.logHas(t, p2p.DiscUselessPeer.String())
	})
}

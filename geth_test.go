package troupe_test

import (
	"context"
	"errors"
	"net"
	"strconv"
	"strings"
	"testing"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/ethereum/go-ethereum/log"
	"github.com/ethereum/go-ethereum/p2p"
	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/troupe-p2p/troupe/node"
	"github.com/troupe-p2p/troupe/protocols"
	"github.com/troupe-p2p/troupe/wire"
)

// geth is a go-ethereum node in this process.
type geth struct {
	*p2p.Server
	self   *enode.Node
	book   logBook
	events chan *p2p.PeerEvent
}

func startGeth(t *testing.T, edit func(*p2p.Config)) *geth {
	t.Helper()
	g := &geth{events: make(chan *p2p.PeerEvent, 64)}
	cfg := p2p.Config{
		PrivateKey: newKey(t), MaxPeers: 10, NoDiscovery: true, Name: "geth", ListenAddr: "127.0.0.1:0",
		Logger: log.NewLogger(log.JSONHandlerWithLevel(&g.book, log.LevelTrace)),
	}
	edit(&cfg)
	g.Server = &p2p.Server{Config: cfg}
	if err := g.Start(); err != nil {
		t.Fatal(err)
	}
	sub := g.SubscribeEvents(g.events)
	t.Cleanup(func() {
		sub.Unsubscribe()
		g.Stop()
	})
	_, digits, err := net.SplitHostPort(g.ListenAddr)
	if err != nil {
		t.Fatal(err)
	}
	port, err := strconv.Atoi(digits)
	if err != nil {
		t.Fatal(err)
	}
	g.self = enode.NewV4(&cfg.PrivateKey.PublicKey, net.IPv4(127, 0, 0, 1), port, 0)
	return g
}

// next waits for the next event of a kind.
func (g *geth) next(t *testing.T, kind p2p.PeerEventType) *p2p.PeerEvent {
	t.Helper()
	for {
		if e := within(t, g.events); e.Type == kind {
			return e
		}
	}
}

// silent is a go-ethereum protocol that only listens.
func silent(name string) p2p.Protocol {
	return p2p.Protocol{Name: name, Version: 1, Length: 2, Run: func(_ *p2p.Peer, rw p2p.MsgReadWriter) error {
		return untilTheEnd(rw)
	}}
}

// A go-ethereum node and ours talk over two protocols of one link at once, whoever dials.
func TestGethConversation(t *testing.T) {
	for _, theyDial := range []bool{true, false} {
		name := "we dial"
		if theyDial {
			name = "they dial"
		}
		t.Run(name, func(t *testing.T) { converse(t, theyDial) })
	}
}

func converse(t *testing.T, theyDial bool) {
	main := conversation{name: "talk", small: 20_000, medium: 20, large: 1, bulk: lotsOfNoise()}
	aside := conversation{name: "aside", small: main.small / 10, bulk: main.bulk}
	theirs, ours := make(chan error, 8), make(chan error, 8)
	g := startGeth(t, func(c *p2p.Config) {
		c.Protocols = []p2p.Protocol{main.theirs(theirs), aside.theirs(theirs)}
	})
	n := startNode(t, func(c *node.Config) {
		c.Specs = []protocols.Spec{main.ours(ours), aside.ours(ours)}
	})
	events := watch(t, n)
	if theyDial {
		g.AddPeer(n.Self())
	} else if err := n.AddPeer(g.self); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := within(t, theirs); err != nil {
			t.Errorf("go-ethereum's side: %v", err)
		}
		if err := within(t, ours); err != nil {
			t.Errorf("our side: %v", err)
		}
	}
	p := peerOf(t, n, g.self.ID())
	if p.Inbound != theyDial || p.Name != "geth" || len(p.Caps) != 2 {
		t.Errorf("the peer is %+v", p)
	}
	if each := uint64(main.messages() + aside.messages()); p.MessagesIn != each || p.MessagesOut != each {
		t.Errorf("%d messages in and %d out, want %d", p.MessagesIn, p.MessagesOut, each)
	}
	if since := events.next(node.PeerAdded).Peer.Since; since != p.Since {
		t.Error("it took more than one link")
	}
}

// reasons are all that the specification names.
var reasons = []protocols.DiscReason{
	protocols.DiscRequested, protocols.DiscNetworkError, protocols.DiscProtocolError, protocols.DiscUselessPeer,
	protocols.DiscTooManyPeers, protocols.DiscAlreadyConnected, protocols.DiscIncompatibleVersion,
	protocols.DiscInvalidIdentity, protocols.DiscQuitting, protocols.DiscUnexpectedIdentity, protocols.DiscSelf,
	protocols.DiscReadTimeout, protocols.DiscSubprotocolError,
}

// part is a protocol in which either side ends the link.
const part = "part"

// Why go-ethereum ends a link is told by our events and by our log.
func TestGethTellsItsReason(t *testing.T) {
	reason := make(chan p2p.DiscReason)
	g := startGeth(t, func(c *p2p.Config) {
		c.Protocols = []p2p.Protocol{{Name: part, Version: 1, Length: 2, Run: func(*p2p.Peer, p2p.MsgReadWriter) error {
			return <-reason
		}}}
	})
	for _, want := range reasons {
		if want == protocols.DiscNetworkError {
			continue // go-ethereum hangs up without a word then
		}
		t.Run(want.String(), func(t *testing.T) {
			var book logBook
			n := startNode(t, func(c *node.Config) {
				c.Specs, c.Logger = []protocols.Spec{newAsker().spec(part)}, book.logger()
			})
			events := watch(t, n)
			if err := n.AddPeer(g.self); err != nil {
				t.Fatal(err)
			}
			events.next(node.PeerAdded)
			reason <- p2p.DiscReason(want)
			if c := events.next(node.PeerDropped).Cause; c.Side != protocols.Remote || c.Reason != want || c.Err != nil {
				t.Errorf("cause: %v", c)
			}
			peer := "peer-" + g.self.ID().String()[:8]
			eventually(t, "that the log tells the end", func() bool {
				records := book.of(t, peer)
				last := records[len(records)-1]
				return last.Event == "stopped" && last.Reason == "remote: "+want.String()
			})
		})
	}
}

// Why we end a link is told by go-ethereum's events.
func TestGethIsToldOurReason(t *testing.T) {
	g := startGeth(t, func(c *p2p.Config) { c.Protocols = []p2p.Protocol{silent(part)} })
	dial := func(t *testing.T, spec protocols.Spec) *node.Node {
		n := startNode(t, func(c *node.Config) { c.Specs = []protocols.Spec{spec} })
		if err := n.AddPeer(g.self); err != nil {
			t.Fatal(err)
		}
		g.next(t, p2p.PeerEventTypeAdd)
		return n
	}
	told := func(t *testing.T, want protocols.DiscReason) {
		t.Helper()
		if e := g.next(t, p2p.PeerEventTypeDrop); e.Error != p2p.DiscReason(want).String() {
			t.Errorf("go-ethereum was told %q, want %q", e.Error, p2p.DiscReason(want))
		}
	}
	for _, want := range reasons {
		t.Run(want.String(), func(t *testing.T) {
			asks := newAsker()
			dial(t, asks.spec(part))
			within(t, asks.links).Link.Disconnect(want)
			told(t, want)
		})
	}
	t.Run("node stops", func(t *testing.T) {
		asks := newAsker()
		n := dial(t, asks.spec(part))
		within(t, asks.links) // before, there is no link to end
		if err := n.Stop(context.Background()); err != nil {
			t.Fatal(err)
		}
		told(t, protocols.DiscQuitting)
	})
	t.Run("protocol gives up", func(t *testing.T) {
		spec := newAsker().spec(part)
		spec.New = func() actor.Actor { panic("no actor today") }
		dial(t, spec)
		told(t, protocols.DiscSubprotocolError)
	})
}

// Whoever refuses the other during the handshake says why, and the refused one knows.
func TestGethRefusals(t *testing.T) {
	spec := newAsker().spec(part)
	t.Run("too many peers, theirs", func(t *testing.T) {
		// With one slot, which it keeps for its own dials, nobody may come in.
		g := startGeth(t, func(c *p2p.Config) { c.Protocols, c.MaxPeers = []p2p.Protocol{silent(part)}, 1 })
		n := startNode(t, func(c *node.Config) { c.Specs = []protocols.Spec{spec} })
		events := watch(t, n)
		if err := n.AddPeer(g.self); err != nil {
			t.Fatal(err)
		}
		var told *wire.RemoteDisconnect
		if e := events.next(node.SetupFailed); !errors.As(e.Err, &told) || told.Reason != wire.DiscTooManyPeers {
			t.Errorf("we were told: %v", e.Err)
		}
	})
	t.Run("too many peers, ours", func(t *testing.T) {
		g := startGeth(t, func(c *p2p.Config) { c.Protocols = []p2p.Protocol{silent(part)} })
		n := startNode(t, func(c *node.Config) { c.Specs, c.MaxPeers = []protocols.Spec{spec}, -1 })
		events := watch(t, n)
		g.AddPeer(n.Self())
		if e := events.next(node.SetupFailed); !errors.Is(e.Err, node.ErrTooManyPeers) {
			t.Errorf("we refused for: %v", e.Err)
		}
		eventually(t, "that go-ethereum's log tells why", func() bool { return g.book.has(p2p.DiscTooManyPeers.String()) })
	})
	t.Run("nothing in common", func(t *testing.T) {
		g := startGeth(t, func(c *p2p.Config) { c.Protocols = []p2p.Protocol{silent("other")} })
		n := startNode(t, func(c *node.Config) { c.Specs = []protocols.Spec{spec} })
		events := watch(t, n)
		g.AddPeer(n.Self())
		if e := events.next(node.SetupFailed); !errors.Is(e.Err, node.ErrUselessPeer) || !strings.Contains(e.Err.Error(), "other/1") {
			t.Errorf("we refused for: %v", e.Err)
		}
		eventually(t, "that go-ethereum's log tells why", func() bool { return g.book.has(p2p.DiscUselessPeer.String()) })
	})
}

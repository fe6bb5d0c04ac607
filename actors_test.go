package troupe_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/troupe-p2p/troupe/node"
	"github.com/troupe-p2p/troupe/protocols"
)

// Line is a numbered message with content.
type Line struct {
	N    uint64
	Text []byte
}

// Reply answers a Line.
type Reply struct {
	N    uint64
	Text []byte
}

// behave is an actor that a test writes as a function.
type behave func(ctx actor.Context)

func (f behave) Receive(ctx actor.Context) { f(ctx) }

// lines describes a protocol of Lines and Replies.
func lines(name string, produce func() behave) protocols.Spec {
	return protocols.Spec{
		Name: name,
		Versions: []protocols.Version{{Number: 1, Length: 2, Messages: []protocols.Message{
			protocols.Type[Line](), protocols.Type[Reply](),
		}}},
		New: func() actor.Actor { return produce() },
	}
}

// asker is a side of lines that the test itself plays: it gets the link, and the
// Replies that come.
type asker struct {
	links   chan *protocols.LinkUp
	replies chan *Reply
	down    chan *protocols.Cause
}

func newAsker() *asker {
	return &asker{make(chan *protocols.LinkUp, 16), make(chan *Reply, 1024), make(chan *protocols.Cause, 16)}
}

func (a *asker) spec(name string) protocols.Spec {
	return lines(name, func() behave {
		return func(ctx actor.Context) {
			switch msg := ctx.Message().(type) {
			case *protocols.LinkUp:
				a.links <- msg
			case *Reply:
				a.replies <- msg
			case *protocols.LinkDown:
				a.down <- msg.Cause
			}
		}
	})
}

// answering makes the other side: it answers each Line, unless before panics, which
// is shown LinkUp and Lines.
func answering(before func(link *protocols.Link, msg any)) func() behave {
	return func() behave {
		var link *protocols.Link
		return func(ctx actor.Context) {
			switch msg := ctx.Message().(type) {
			case *protocols.LinkUp:
				link = msg.Link
				before(link, msg)
			case *Line:
				before(link, msg)
				if err := link.Send(&Reply{N: msg.N, Text: msg.Text}); err != nil {
					panic(err)
				}
			}
		}
	}
}

// Two nodes meet and talk, one of the protocols crashes and is back, and they part.
// Both know why, and the log tells it all.
func TestStory(t *testing.T) {
	var book logBook
	serve := answering(func(_ *protocols.Link, msg any) {
		if line, ok := msg.(*Line); ok && string(line.Text) == "crash" {
			panic("no such word")
		}
	})
	asks := newAsker()
	server := startNode(t, func(c *node.Config) {
		c.Specs, c.Logger = []protocols.Spec{lines("story", serve)}, book.logger()
	})
	client := startNode(t, func(c *node.Config) { c.Specs = []protocols.Spec{asks.spec("story")} })
	atServer, atClient := watch(t, server), watch(t, client)
	var link *protocols.Link
	say := func(t *testing.T, n uint64, text string) {
		t.Helper()
		if err := link.Send(&Line{N: n, Text: []byte(text)}); err != nil {
			t.Fatal(err)
		}
	}
	hear := func(t *testing.T, n uint64, text string) {
		t.Helper()
		if r := within(t, asks.replies); r.N != n || string(r.Text) != text {
			t.Fatalf("reply %d %q, want %d %q", r.N, r.Text, n, text)
		}
	}

	t.Run("a link comes up", func(t *testing.T) {
		if err := client.AddPeer(server.Self()); err != nil {
			t.Fatal(err)
		}
		if p := atServer.next(node.PeerAdded).Peer; !p.Inbound || p.ID != client.ID() || !slices.Equal(p.Caps, []string{"story/1"}) {
			t.Errorf("the server sees %+v", p)
		}
		if p := atClient.next(node.PeerAdded).Peer; p.Inbound || p.ID != server.ID() || !p.Static {
			t.Errorf("the client sees %+v", p)
		}
		up := within(t, asks.links)
		if up.Restarted {
			t.Error("the link comes for the first time")
		}
		link = up.Link
	})
	t.Run("messages flow", func(t *testing.T) {
		for n := range uint64(100) {
			say(t, n, "over the wire")
		}
		for n := range uint64(100) {
			hear(t, n, "over the wire")
		}
	})
	t.Run("a crash loses one message and not the link", func(t *testing.T) {
		say(t, 100, "before")
		say(t, 101, "crash")
		say(t, 102, "after")
		hear(t, 100, "before")
		hear(t, 102, "after")
	})
	t.Run("both sides know why they part", func(t *testing.T) {
		link.DisconnectWithError(protocols.DiscUselessPeer, fmt.Errorf("nothing left to say"))
		c := atServer.next(node.PeerDropped).Cause
		if c.Side != protocols.Remote || c.Reason != protocols.DiscUselessPeer {
			t.Errorf("server: %v", c)
		}
		c = atClient.next(node.PeerDropped).Cause
		if c.Side != protocols.Local || c.Reason != protocols.DiscUselessPeer || c.Protocol != "story/1" ||
			c.Err == nil || c.Err.Error() != "nothing left to say" {
			t.Errorf("client: %v", c)
		}
		if told := within(t, asks.down); told != c {
			t.Errorf("LinkDown tells %v", told)
		}
		if err := link.Send(&Line{}); err != protocols.ErrLinkDown {
			t.Errorf("Send after the end: %v", err)
		}
	})
	t.Run("the log tells it", func(t *testing.T) {
		peerName := "peer-" + client.ID().String()[:8]
		for _, name := range []string{"story", peerName} { // actors stop when the others know of the end already
			eventually(t, "the end of "+name, func() bool {
				all := book.of(t, name)
				return len(all) > 0 && all[len(all)-1].Event == "stopped"
			})
		}
		records := book.of(t, "story")
		var steps []string
		for _, r := range records {
			steps = append(steps, r.Event)
			if r.Protocol != "story/1" || r.Direction != "inbound" || !strings.HasPrefix(r.Peer, client.ID().String()[:16]+"@") {
				t.Errorf("whose record is %+v?", r)
			}
		}
		if want := []string{"started", "failed", "restarted", "stopped"}; !slices.Equal(steps, want) {
			t.Fatalf("steps: %v, want %v", steps, want)
		}
		if r := records[1]; r.Level != "ERROR" || r.Reason != "panic: no such word" || r.Restarts != 0 || !strings.Contains(r.Stack, "TestStory") {
			t.Errorf("failed: %+v", r)
		}
		if r := records[2]; r.Level != "WARN" || r.Restarts != 1 || r.Backoff != 0 {
			t.Errorf("restarted: %+v", r)
		}
		peer := book.of(t, peerName)
		if last := peer[len(peer)-1]; last.Event != "stopped" || last.Level != "INFO" || last.Reason != "remote: useless peer" {
			t.Errorf("end of the link: %+v", last)
		}
	})
}

// A protocol that panics on every tenth message loses those and no other. The link
// stays, the protocol's state stays, and the remote sees nothing.
func TestPanicOnEveryTenthMessage(t *testing.T) {
	const count, burst = 100, 50
	type tally struct{ handled, lives int }
	tallies := make(chan *tally, count)
	var book logBook
	spec := lines("tenth", answering(func(link *protocols.Link, msg any) {
		state := protocols.State[tally](link)
		switch msg := msg.(type) {
		case *protocols.LinkUp:
			if msg.Restarted != (state.lives > 0) {
				t.Errorf("Restarted is %v in life %d", msg.Restarted, state.lives)
			}
			state.lives++
			tallies <- &tally{state.handled, state.lives}
		case *Line:
			state.handled++
			if msg.N%10 == 9 {
				panic(fmt.Sprintf("message %d", msg.N))
			}
		}
	}))
	spec.Intensity = protocols.Intensity{Restarts: -1}
	asks := newAsker()
	server := startNode(t, func(c *node.Config) { c.Specs, c.Logger = []protocols.Spec{spec}, book.logger() })
	client := startNode(t, func(c *node.Config) { c.Specs = []protocols.Spec{asks.spec("tenth")} })
	connected(t, client, server)
	before := peerOf(t, client, server.ID())
	link := within(t, asks.links).Link
	// The backoff of a storm grows to a second; the messages come in bursts, so that
	// most crashes happen with others waiting behind them.
	for n := range uint64(count) {
		if err := link.Send(&Line{N: n}); err != nil {
			t.Fatal(err)
		}
		if n%burst != burst-1 {
			continue
		}
		for want := n + 1 - burst; want <= n; want++ {
			if want%10 == 9 {
				continue
			}
			if got := within(t, asks.replies).N; got != want {
				t.Fatalf("reply %d, want %d", got, want)
			}
		}
	}
	for life := range 1 + count/10 {
		if got := within(t, tallies); got.lives != life+1 || got.handled != 10*life {
			t.Errorf("life %d of %d began after %d messages, want %d", got.lives, life+1, got.handled, 10*life)
		}
	}
	failures := 0
	for _, r := range book.of(t, "tenth") {
		if r.Event == "failed" {
			if want := fmt.Sprintf("panic: message %d", 10*failures+9); r.Reason != want || r.Restarts != failures {
				t.Errorf("failure after %d restarts: %s, want %s after %d", r.Restarts, r.Reason, want, failures)
			}
			failures++
		}
	}
	if failures != count/10 {
		t.Errorf("%d failures in the log, want %d", failures, count/10)
	}
	after := peerOf(t, client, server.ID())
	if len(asks.links) > 0 || link.Context().Err() != nil || after.Since != before.Since {
		t.Error("the remote saw the link end")
	}
	if after.MessagesOut != count || after.MessagesIn != count-count/10 {
		t.Errorf("the remote counts %d messages out and %d in", after.MessagesOut, after.MessagesIn)
	}
}

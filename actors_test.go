// Package troupe_test has the end-to-end story: two nodes on real TCP whose protocols
// talk, crash and part. It uses public API only. Tests with other remotes, under attack, under
// load and behind NATs are in folders of their own below node.
package troupe_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/troupe-p2p/troupe/actors/actortest"
	"github.com/troupe-p2p/troupe/node"
	"github.com/troupe-p2p/troupe/node/nodetest"
	"github.com/troupe-p2p/troupe/node/nodetest/fixture"
	"github.com/troupe-p2p/troupe/protocols"
)

// answering makes a protocol actor that calls before with LinkUp and each Line, and answers
// the Line unless before panics.
func answering(before func(link *protocols.Link, msg any)) func() actor.ReceiveFunc {
	return func() actor.ReceiveFunc {
		var link *protocols.Link
		return func(ctx actor.Context) {
			switch msg := ctx.Message().(type) {
			case *protocols.LinkUp:
				link = msg.Link
				before(link, msg)
			case *fixture.Line:
				before(link, msg)
				if err := link.Send(&fixture.Reply{N: msg.N, Text: msg.Text}); err != nil {
					panic(err)
				}
			}
		}
	}
}

// TestStory: two nodes connect and talk, a protocol crashes and restarts, and the nodes part.
// Both know the cause, and the log has every step.
func TestStory(t *testing.T) {
	var log nodetest.Log
	serve := answering(func(_ *protocols.Link, msg any) {
		if line, ok := msg.(*fixture.Line); ok && string(line.Text) == "crash" {
			panic("no such word")
		}
	})
	asks := fixture.NewAsker()
	server := nodetest.Start(t, func(c *node.Config) {
		c.Specs, c.Logger = []protocols.Spec{fixture.Lines("story", serve)}, log.Logger()
	})
	client := nodetest.Start(t, func(c *node.Config) { c.Specs = []protocols.Spec{asks.Spec("story")} })
	atServer, atClient := nodetest.Watch(t, server), nodetest.Watch(t, client)
	var link *protocols.Link
	say := func(t *testing.T, n uint64, text string) {
		t.Helper()
		if err := link.Send(&fixture.Line{N: n, Text: []byte(text)}); err != nil {
			t.Fatal(err)
		}
	}
	hear := func(t *testing.T, n uint64, text string) {
		t.Helper()
		if r := actortest.Receive(t, asks.Replies); r.N != n || string(r.Text) != text {
			t.Fatalf("reply %d %q, want %d %q", r.N, r.Text, n, text)
		}
	}

	t.Run("a link comes up", func(t *testing.T) {
		if err := client.AddPeer(server.Self()); err != nil {
			t.Fatal(err)
		}
		if p := atServer.Next(node.PeerAdded).Peer; !p.Inbound || p.ID != client.ID() || !slices.Equal(p.Caps, []string{"story/1"}) {
			t.Errorf("the server sees %+v", p)
		}
		if p := atClient.Next(node.PeerAdded).Peer; p.Inbound || p.ID != server.ID() || !p.Static {
			t.Errorf("the client sees %+v", p)
		}
		up := actortest.Receive(t, asks.Links)
		if up.Restarted {
			t.Error("the first LinkUp says Restarted")
		}
		link = up.Link
	})
	t.Run("messages arrive in order", func(t *testing.T) {
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
	t.Run("both sides know the cause of the end", func(t *testing.T) {
		link.DisconnectWithError(protocols.DiscUselessPeer, fmt.Errorf("nothing left to say"))
		c := atServer.Next(node.PeerDropped).Cause
		if c.Side != protocols.Remote || c.Reason != protocols.DiscUselessPeer {
			t.Errorf("server: %v", c)
		}
		c = atClient.Next(node.PeerDropped).Cause
		if c.Side != protocols.Local || c.Reason != protocols.DiscUselessPeer || c.Protocol != "story/1" ||
			c.Err == nil || c.Err.Error() != "nothing left to say" {
			t.Errorf("client: %v", c)
		}
		if down := actortest.Receive(t, asks.Downs); down != c {
			t.Errorf("LinkDown has the cause %v, want %v", down, c)
		}
		if err := link.Send(&fixture.Line{}); err != protocols.ErrLinkDown {
			t.Errorf("Send after the end: %v", err)
		}
	})
	t.Run("the log has every step", func(t *testing.T) {
		peerName := "peer-" + client.ID().String()[:8]
		for _, name := range []string{"story", peerName} { // the events above come before the actors have stopped
			actortest.Eventually(t, name+" has stopped", func() bool {
				all := log.Steps(t, name)
				return len(all) > 0 && all[len(all)-1].Event == "stopped"
			})
		}
		records := log.Steps(t, "story")
		var steps []string
		for _, r := range records {
			steps = append(steps, r.Event)
			if r.Protocol != "story/1" || r.Direction != "inbound" || !strings.HasPrefix(r.Peer, client.ID().String()[:16]+"@") {
				t.Errorf("record %+v does not name its protocol, direction and peer", r)
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
		peer := log.Steps(t, peerName)
		if last := peer[len(peer)-1]; last.Event != "stopped" || last.Level != "INFO" || last.Reason != "remote: useless peer" {
			t.Errorf("last step of the peer: %+v", last)
		}
	})
}

// TestPanicOnEveryTenthMessage: a protocol that panics on every tenth message loses those and
// no others. The link and the protocol's state survive, and the remote notices nothing.
func TestPanicOnEveryTenthMessage(t *testing.T) {
	const count, burst = 100, 50
	type tally struct{ handled, lives int }
	tallies := make(chan *tally, count)
	var log nodetest.Log
	spec := fixture.Lines("tenth", answering(func(link *protocols.Link, msg any) {
		state := protocols.State[tally](link)
		switch msg := msg.(type) {
		case *protocols.LinkUp:
			if msg.Restarted != (state.lives > 0) {
				t.Errorf("Restarted is %v after %d lives", msg.Restarted, state.lives)
			}
			state.lives++
			tallies <- &tally{state.handled, state.lives}
		case *fixture.Line:
			state.handled++
			if msg.N%10 == 9 {
				panic(fmt.Sprintf("message %d", msg.N))
			}
		}
	}))
	spec.Intensity = protocols.Intensity{Restarts: -1}
	asks := fixture.NewAsker()
	server := nodetest.Start(t, func(c *node.Config) { c.Specs, c.Logger = []protocols.Spec{spec}, log.Logger() })
	client := nodetest.Start(t, func(c *node.Config) { c.Specs = []protocols.Spec{asks.Spec("tenth")} })
	nodetest.Connect(t, client, server)
	before := nodetest.Peer(t, client, server.ID())
	link := actortest.Receive(t, asks.Links).Link
	// The backoff of repeated crashes grows to a second. Messages come in bursts, so that at
	// most crashes other messages wait behind the one that is lost.
	for n := range uint64(count) {
		if err := link.Send(&fixture.Line{N: n}); err != nil {
			t.Fatal(err)
		}
		if n%burst != burst-1 {
			continue
		}
		for want := n + 1 - burst; want <= n; want++ {
			if want%10 == 9 {
				continue
			}
			if got := actortest.Receive(t, asks.Replies).N; got != want {
				t.Fatalf("reply %d, want %d", got, want)
			}
		}
	}
	for life := range 1 + count/10 {
		if got := actortest.Receive(t, tallies); got.lives != life+1 || got.handled != 10*life {
			t.Errorf("life %d of %d began after %d messages, want %d", got.lives, life+1, got.handled, 10*life)
		}
	}
	failures := 0
	for _, r := range log.Steps(t, "tenth") {
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
	after := nodetest.Peer(t, client, server.ID())
	if len(asks.Links) > 0 || link.Context().Err() != nil || after.Since != before.Since {
		t.Error("the link ended at the remote")
	}
	if after.MessagesOut != count || after.MessagesIn != count-count/10 {
		t.Errorf("the remote counts %d messages out and %d in", after.MessagesOut, after.MessagesIn)
	}
}

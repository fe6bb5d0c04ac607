package troupe_test

import (
	"bytes"
	"fmt"
	"runtime"
	"strings"
	"sync/atomic"
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

// Two nodes meet, talk, one of the protocols crashes and is back, and they part:
// what the log says of it is what happened.
func TestStory(t *testing.T) {
	var book logBook
	serve := func() behave {
		var link *protocols.Link
		return func(ctx actor.Context) {
			switch msg := ctx.Message().(type) {
			case *protocols.LinkUp:
				link = msg.Link
			case *Line:
				if msg.N == 2 {
					panic("two is not welcome")
				}
				if err := link.Send(&Reply{N: msg.N, Text: msg.Text}); err != nil {
					panic(err)
				}
			}
		}
	}
	replies := make(chan Reply, 4)
	links := make(chan *protocols.Link, 1)
	ask := func() behave {
		return func(ctx actor.Context) {
			switch msg := ctx.Message().(type) {
			case *protocols.LinkUp:
				links <- msg.Link
			case *Reply:
				replies <- *msg
			}
		}
	}
	server := startNode(t, func(c *node.Config) {
		c.Specs, c.Logger = []protocols.Spec{lines("story", serve)}, book.logger()
	})
	asker := startNode(t, func(c *node.Config) { c.Specs = []protocols.Spec{lines("story", ask)} })
	atServer, atAsker := watch(t, server), watch(t, asker)

	if err := asker.AddPeer(server.Self()); err != nil {
		t.Fatal(err)
	}
	if p := atServer.next(node.PeerAdded).Peer; !p.Inbound || p.ID != asker.ID() {
		t.Errorf("server sees %+v", p)
	}
	link := within(t, links)
	for n := range uint64(4) {
		if err := link.Send(&Line{N: n, Text: []byte("line")}); err != nil {
			t.Fatal(err)
		}
	}
	for _, want := range []uint64{0, 1, 3} { // 2 is lost with the actor that it crashed
		if r := within(t, replies); r.N != want || string(r.Text) != "line" {
			t.Errorf("reply %d %q, want %d", r.N, r.Text, want)
		}
	}
	link.Disconnect(protocols.DiscUselessPeer)
	if c := atServer.next(node.PeerDropped).Cause; c.Side != protocols.Remote || c.Reason != protocols.DiscUselessPeer {
		t.Errorf("server: %v", c)
	}
	if c := atAsker.next(node.PeerDropped).Cause; c.Side != protocols.Local || c.Protocol != "story/1" {
		t.Errorf("asker: %v", c)
	}
	for _, want := range []string{
		"event=failed", `reason="panic: two is not welcome"`, "event=restarted", "/story", "protocol=story/1",
		"direction=inbound", "TestStory", // in the stack
	} {
		if !strings.Contains(book.String(), want) {
			t.Errorf("the log does not say %s:\n%s", want, book.String())
		}
	}
}

// Ten protocols write at once, both ways, and every byte arrives.
func TestTenProtocolsAtOnce(t *testing.T) {
	const protocolCount = 10
	perProtocol := unlessRace(3000, 300)
	size := func(n int) int { return n * 37 % 9000 }
	total := 0
	for n := range perProtocol {
		total += size(n)
	}
	done := make(chan error, 2*protocolCount)
	talker := func() behave {
		var got, received int
		room := make(chan struct{}, 1)
		return func(ctx actor.Context) {
			switch msg := ctx.Message().(type) {
			case *protocols.LinkUp:
				go func(link *protocols.Link) {
					for n := range perProtocol {
						line := &Line{N: uint64(n), Text: bytes.Repeat([]byte{byte(n)}, size(n))}
						for link.Send(line) == protocols.ErrOutboxFull {
							select {
							case <-room:
							case <-link.Context().Done():
								return
							}
						}
					}
				}(msg.Link)
			case *protocols.Drained:
				room <- struct{}{}
			case *Line:
				if int(msg.N) != got {
					done <- fmt.Errorf("line %d came as number %d", msg.N, got)
				}
				got++
				received += len(msg.Text)
				if got == perProtocol {
					if received != total {
						done <- fmt.Errorf("%d bytes, want %d", received, total)
						return
					}
					done <- nil
				}
			}
		}
	}
	var specs []protocols.Spec
	for i := range protocolCount {
		specs = append(specs, lines(fmt.Sprintf("p%d", i), talker))
	}
	a := startNode(t, func(c *node.Config) { c.Specs = specs })
	b := startNode(t, func(c *node.Config) { c.Specs = specs })
	connected(t, a, b)
	for range 2 * protocolCount {
		if err := within(t, done); err != nil {
			t.Error(err)
		}
	}
}

// A protocol that panics on every tenth message loses those and no other, on one
// link, and the remote sees nothing of it.
func TestPanicOnEveryTenthMessage(t *testing.T) {
	const count, burst = 100, 50
	var restarts atomic.Int64
	answers := func() behave {
		var link *protocols.Link
		return func(ctx actor.Context) {
			switch msg := ctx.Message().(type) {
			case *protocols.LinkUp:
				link = msg.Link
				if msg.Restarted {
					restarts.Add(1)
				}
			case *Line:
				if msg.N%10 == 9 {
					panic(fmt.Sprintf("message %d", msg.N))
				}
				if err := link.Send(&Reply{N: msg.N}); err != nil {
					panic(err)
				}
			}
		}
	}
	replies := make(chan uint64, count)
	links := make(chan *protocols.Link, 2)
	ask := func() behave {
		return func(ctx actor.Context) {
			switch msg := ctx.Message().(type) {
			case *protocols.LinkUp:
				links <- msg.Link
			case *Reply:
				replies <- msg.N
			}
		}
	}
	spec := lines("tenth", answers)
	spec.Intensity = protocols.Intensity{Restarts: -1}
	server := startNode(t, func(c *node.Config) { c.Specs = []protocols.Spec{spec} })
	asker := startNode(t, func(c *node.Config) { c.Specs = []protocols.Spec{lines("tenth", ask)} })
	connected(t, asker, server)
	link := within(t, links)
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
			if got := within(t, replies); got != want {
				t.Fatalf("reply %d, want %d", got, want)
			}
		}
	}
	if got := restarts.Load(); got < count/10-1 {
		t.Errorf("%d restarts, want %d", got, count/10)
	}
	if len(links) > 0 || link.Context().Err() != nil {
		t.Error("the remote saw the link end")
	}
}

// Two nodes send each other echoes of 32 KiB at once: nothing locks up, and what
// waits to be handled stays within the budgets.
func TestEchoesBothWaysAtOnce(t *testing.T) {
	count := unlessRace(100_000, 2_000)
	const window, size = 16, 32 << 10
	done := make(chan error, 2)
	echoes := func() behave {
		var link *protocols.Link
		var sent, got int
		text := bytes.Repeat([]byte("0123456789abcdef"), size/16)
		next := func() {
			if sent == count {
				return
			}
			if err := link.Send(&Line{N: uint64(sent), Text: text}); err != nil {
				panic(err)
			}
			sent++
		}
		return func(ctx actor.Context) {
			switch msg := ctx.Message().(type) {
			case *protocols.LinkUp:
				link = msg.Link
				for range window {
					next()
				}
			case *Line:
				if err := link.Send(&Reply{N: msg.N, Text: msg.Text}); err != nil {
					panic(err)
				}
			case *Reply:
				if int(msg.N) != got || len(msg.Text) != size {
					done <- fmt.Errorf("reply %d of %d bytes came as number %d", msg.N, len(msg.Text), got)
				}
				if got++; got == count {
					done <- nil
				}
				next()
			}
		}
	}
	spec := lines("echo", echoes)
	spec.Limits = protocols.Limits{Inbound: 1 << 20, Outbox: 4 << 20, HighWater: 2 << 20}
	a := startNode(t, func(c *node.Config) { c.Specs = []protocols.Spec{spec} })
	b := startNode(t, func(c *node.Config) { c.Specs = []protocols.Spec{spec} })
	connected(t, a, b)
	for range 2 {
		if err := within(t, done); err != nil {
			t.Fatal(err)
		}
	}
	// Two links' ends with 1 MiB in and 4 MiB out each, and what the messages under
	// way take; garbage is collected first.
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	if m.HeapAlloc > 64<<20 {
		t.Errorf("%d MiB of heap after the echoes", m.HeapAlloc>>20)
	}
}

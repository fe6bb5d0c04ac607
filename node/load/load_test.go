package load_test

import (
	"bytes"
	"context"
	"fmt"
	"runtime"
	"runtime/metrics"
	"sync"
	"testing"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/troupe-p2p/troupe/actors/actortest"
	"github.com/troupe-p2p/troupe/node"
	"github.com/troupe-p2p/troupe/node/nodetest"
	"github.com/troupe-p2p/troupe/node/nodetest/fixture"
	"github.com/troupe-p2p/troupe/protocols"
)

// talker sends lines as fast as the outbox takes them, and checks those that come.
type talker struct {
	count int
	size  func(n int) int
	got   int
	room  chan struct{} // the outbox has drained
	done  chan<- error
}

func (k *talker) Receive(ctx actor.Context) {
	switch msg := ctx.Message().(type) {
	case *protocols.LinkUp:
		go k.talk(msg.Link.Shared())
	case *protocols.Drained:
		k.room <- struct{}{}
	case *fixture.Line:
		if want := fixture.Piece(k.got, k.size(k.got)); int(msg.N) != k.got || !bytes.Equal(msg.Text, want) {
			k.done <- fmt.Errorf("line %d of %d bytes came, want line %d of %d bytes", msg.N, len(msg.Text), k.got, len(want))
		}
		if k.got++; k.got == k.count {
			k.done <- nil
		}
	}
}

func (k *talker) talk(link *protocols.Link) {
	for n := range k.count {
		for {
			err := link.Send(&fixture.Line{N: uint64(n), Text: fixture.Piece(n, k.size(n))})
			if err == nil {
				break
			}
			if err != protocols.ErrOutboxFull {
				k.done <- fmt.Errorf("line %d: %w", n, err)
				return
			}
			select {
			case <-k.room:
			case <-link.Context().Done():
				k.done <- fmt.Errorf("line %d: %w", n, context.Cause(link.Context()))
				return
			}
		}
	}
}

// TestTenProtocolsAtOnce: ten protocols write at the same time in both directions, and every
// byte arrives.
func TestTenProtocolsAtOnce(t *testing.T) {
	const protocolCount = 10
	each := actortest.Work(3000, 300)
	done := make(chan error, 2*protocolCount*each)
	var specs []protocols.Spec
	for i := range protocolCount {
		spec := fixture.Lines(fmt.Sprintf("p%d", i), nil)
		spec.New = func() actor.Actor {
			size := func(n int) int { return (i + n) * 37 % 9000 }
			return &talker{count: each, size: size, room: make(chan struct{}, 1), done: done}
		}
		specs = append(specs, spec)
	}
	a := nodetest.Start(t, func(c *node.Config) { c.Specs = specs })
	b := nodetest.Start(t, func(c *node.Config) { c.Specs = specs })
	nodetest.Connect(t, a, b)
	for range 2 * protocolCount {
		if err := actortest.Receive(t, done); err != nil {
			t.Error(err)
		}
	}
	atA, atB := nodetest.Peer(t, a, b.ID()), nodetest.Peer(t, b, a.ID())
	for _, p := range []node.PeerInfo{atA, atB} {
		if want := uint64(protocolCount * each); p.MessagesIn != want || p.MessagesOut != want {
			t.Errorf("%d messages in and %d out, want %d", p.MessagesIn, p.MessagesOut, want)
		}
	}
	actortest.Eventually(t, "all bytes that were written are read", func() bool {
		atA, atB = nodetest.Peer(t, a, b.ID()), nodetest.Peer(t, b, a.ID())
		return atA.BytesOut == atB.BytesIn && atB.BytesOut == atA.BytesIn
	})
}

// echoer requests echoes, with a fixed number in flight, and answers the remote's requests.
type echoer struct {
	gate          *sync.RWMutex // a write lock stops all handlers
	count, window int
	link          *protocols.Link
	sent, got     int
	text          []byte
	done          chan<- error
}

const echoSize = 32 << 10

// writeEcho makes the content of the nth echo. It compresses to an eighth, so that a test can
// send many; the budgets count it in full.
func (e *echoer) writeEcho(n int) []byte {
	part := fixture.Piece(n, echoSize/32)
	e.text = e.text[:0]
	for len(e.text) < echoSize {
		e.text = append(e.text, part...)
	}
	return e.text
}

func (e *echoer) Receive(ctx actor.Context) {
	e.gate.RLock()
	defer e.gate.RUnlock()
	switch msg := ctx.Message().(type) {
	case *protocols.LinkUp:
		e.link = msg.Link
		for range e.window {
			e.ask()
		}
	case *fixture.Line:
		e.send(&fixture.Reply{N: msg.N, Text: msg.Text})
	case *fixture.Reply:
		if int(msg.N) != e.got || !bytes.Equal(msg.Text, e.writeEcho(e.got)) {
			e.done <- fmt.Errorf("reply %d of %d bytes came, want reply %d", msg.N, len(msg.Text), e.got)
		}
		if e.got++; e.got == e.count {
			e.done <- nil
		}
		e.ask()
	}
}

func (e *echoer) ask() {
	if e.sent < e.count {
		e.send(&fixture.Line{N: uint64(e.sent), Text: e.writeEcho(e.sent)})
		e.sent++
	}
}

// send reports an error as the test's failure: the outbox has room for what is in flight.
func (e *echoer) send(msg any) {
	if err := e.link.Send(msg); err != nil {
		e.done <- err
	}
}

// TestEchoesBothWaysAtOnce: two nodes send each other echoes of 32 KiB at the same time. Nothing
// locks up, and what they hold stays within the budgets.
func TestEchoesBothWaysAtOnce(t *testing.T) {
	count := actortest.Work(100_000, 4_000)
	// One side's requests and its answers to the other side must fit the outbox of 1 MiB; the
	// answers alone are more than high water.
	const window = 12
	done := make(chan error, 64)
	var gate sync.RWMutex
	spec := fixture.Lines("echo", nil)
	spec.New = func() actor.Actor { return &echoer{gate: &gate, count: count, window: window, done: done} }
	a := nodetest.Start(t, func(c *node.Config) { c.Specs = []protocols.Spec{spec} })
	b := nodetest.Start(t, func(c *node.Config) { c.Specs = []protocols.Spec{spec} })
	// What is allocated while a garbage collection runs counts as live until the next one. On a
	// busy machine that is more than everything that is held, so the handlers are stopped during
	// the collection. What waits for them is at its maximum then, too.
	held := func() int {
		gate.Lock()
		defer gate.Unlock()
		runtime.GC()
		return liveHeap()
	}
	held() // a pool releases its content at the second collection
	before, peak := held(), fixture.Peak(100*time.Millisecond, held)
	nodetest.Connect(t, a, b)
	for range 2 {
		if err := actortest.Receive(t, done); err != nil {
			t.Fatal(err)
		}
	}
	// Two ends, with 1 MiB to read and 1 MiB to write each. The rest is the link's own memory.
	const budgets, besides = 2 * (1<<20 + 1<<20), 4 << 20
	grown := peak() - before
	t.Logf("at most %d KiB were held", grown>>10)
	if grown > budgets+besides {
		t.Errorf("%d KiB of heap were held, want at most %d", grown>>10, (budgets+besides)>>10)
	}
}

// liveHeap returns how many bytes the last garbage collection found in use.
func liveHeap() int {
	sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(sample)
	return int(sample[0].Value.Uint64())
}

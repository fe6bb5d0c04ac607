package troupe_test

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"runtime/metrics"
	"sync"
	"testing"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/troupe-p2p/troupe/node"
	"github.com/troupe-p2p/troupe/protocols"
)

// noise is bytes that don't compress; messages are pieces of it.
var noise = sync.OnceValue(func() []byte {
	b := make([]byte, 256<<10)
	if _, err := rand.NewChaCha8([32]byte{'n'}).Read(b); err != nil {
		panic(err)
	}
	return b
})

// piece is the content of the nth message.
func piece(n, size int) []byte {
	from := n * 61 % (len(noise()) - size)
	return noise()[from : from+size]
}

// talker writes lines as fast as they are taken, and checks those that come.
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
	case *Line:
		if want := piece(k.got, k.size(k.got)); int(msg.N) != k.got || !bytes.Equal(msg.Text, want) {
			k.done <- fmt.Errorf("line %d of %d bytes came as number %d of %d", msg.N, len(msg.Text), k.got, len(want))
		}
		if k.got++; k.got == k.count {
			k.done <- nil
		}
	}
}

func (k *talker) talk(link *protocols.Link) {
	for n := range k.count {
		for {
			err := link.Send(&Line{N: uint64(n), Text: piece(n, k.size(n))})
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

// Ten protocols write at once, both ways, and every byte arrives.
func TestTenProtocolsAtOnce(t *testing.T) {
	const protocolCount = 10
	each := unlessRace(3000, 300)
	done := make(chan error, 2*protocolCount*each)
	var specs []protocols.Spec
	for i := range protocolCount {
		spec := lines(fmt.Sprintf("p%d", i), nil)
		spec.New = func() actor.Actor {
			size := func(n int) int { return (i + n) * 37 % 9000 }
			return &talker{count: each, size: size, room: make(chan struct{}, 1), done: done}
		}
		specs = append(specs, spec)
	}
	a := startNode(t, func(c *node.Config) { c.Specs = specs })
	b := startNode(t, func(c *node.Config) { c.Specs = specs })
	connected(t, a, b)
	for range 2 * protocolCount {
		if err := within(t, done); err != nil {
			t.Error(err)
		}
	}
	atA, atB := peerOf(t, a, b.ID()), peerOf(t, b, a.ID())
	for _, p := range []node.PeerInfo{atA, atB} {
		if want := uint64(protocolCount * each); p.MessagesIn != want || p.MessagesOut != want {
			t.Errorf("%d messages in and %d out, want %d", p.MessagesIn, p.MessagesOut, want)
		}
	}
	eventually(t, "that all bytes written were read", func() bool {
		atA, atB = peerOf(t, a, b.ID()), peerOf(t, b, a.ID())
		return atA.BytesOut == atB.BytesIn && atB.BytesOut == atA.BytesIn
	})
}

// echoer asks for echoes, so many at a time, and answers those that it is asked for.
type echoer struct {
	gate          *sync.RWMutex // who has it to write stops all of them
	count, window int
	link          *protocols.Link
	sent, got     int
	text          []byte
	done          chan<- error
}

const echoSize = 32 << 10

// writeEcho makes the content of the nth echo. It compresses to an eighth, so that many
// go through in the time of a test; the budgets count it in full.
func (e *echoer) writeEcho(n int) []byte {
	part := piece(n, echoSize/32)
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
	case *Line:
		e.send(&Reply{N: msg.N, Text: msg.Text})
	case *Reply:
		if int(msg.N) != e.got || !bytes.Equal(msg.Text, e.writeEcho(e.got)) {
			e.done <- fmt.Errorf("reply %d of %d bytes came as number %d", msg.N, len(msg.Text), e.got)
		}
		if e.got++; e.got == e.count {
			e.done <- nil
		}
		e.ask()
	}
}

func (e *echoer) ask() {
	if e.sent < e.count {
		e.send(&Line{N: uint64(e.sent), Text: e.writeEcho(e.sent)})
		e.sent++
	}
}

// send may not fail: what is under way has room in the outbox.
func (e *echoer) send(msg any) {
	if err := e.link.Send(msg); err != nil {
		e.done <- err
	}
}

// Two nodes send each other echoes of 32 KiB at once: nothing locks up, and what
// they hold meanwhile stays within the budgets.
func TestEchoesBothWaysAtOnce(t *testing.T) {
	count := unlessRace(100_000, 4_000)
	// The asks of one side and its answers to the other's must fit the outbox of 1 MiB;
	// the answers alone are more than high water.
	const window = 12
	done := make(chan error, 64)
	var gate sync.RWMutex
	spec := lines("echo", nil)
	spec.New = func() actor.Actor { return &echoer{gate: &gate, count: count, window: window, done: done} }
	a := startNode(t, func(c *node.Config) { c.Specs = []protocols.Spec{spec} })
	b := startNode(t, func(c *node.Config) { c.Specs = []protocols.Spec{spec} })
	// What is made while a garbage collection runs counts as live until the next, and on a
	// busy machine that is more than all that is held. So nobody makes anything: with the
	// handlers at rest, what waits for them is at its most, too.
	held := func() int {
		gate.Lock()
		defer gate.Unlock()
		runtime.GC()
		return liveHeap()
	}
	held() // a pool lets go of what it holds at the second collection
	before, peak := held(), watchPeak(100*time.Millisecond, held)
	connected(t, a, b)
	for range 2 {
		if err := within(t, done); err != nil {
			t.Fatal(err)
		}
	}
	// Two ends, with 1 MiB to read and 1 MiB to write each. The link's own memory is the rest.
	const budgets, besides = 2 * (1<<20 + 1<<20), 4 << 20
	grown := peak() - before
	t.Logf("%d KiB were held at most", grown>>10)
	if grown > budgets+besides {
		t.Errorf("%d KiB of heap were held meanwhile, want at most %d", grown>>10, (budgets+besides)>>10)
	}
}

// liveHeap is what the last garbage collection found in use, in bytes.
func liveHeap() int {
	sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(sample)
	return int(sample[0].Value.Uint64())
}

// watchPeak looks at a gauge again and again, and tells the most that it showed.
func watchPeak(interval time.Duration, gauge func() int) (stop func() int) {
	quit, peak := make(chan struct{}), make(chan int)
	go func() {
		tick := time.NewTicker(interval)
		defer tick.Stop()
		most := gauge()
		for {
			select {
			case <-tick.C:
				most = max(most, gauge())
			case <-quit:
				peak <- most
				return
			}
		}
	}()
	return func() int {
		close(quit)
		return <-peak
	}
}

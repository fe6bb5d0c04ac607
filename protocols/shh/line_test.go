package shh_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/troupe-p2p/troupe/node"
	"github.com/troupe-p2p/troupe/protocols"
	"github.com/troupe-p2p/troupe/protocols/shh"
)

// internet is where the nodes of a line listen and dial, in memory.
type internet struct {
	mu        sync.Mutex
	listeners map[netip.AddrPort]*listener
}

func (i *internet) listen(_ context.Context, on netip.AddrPort) (net.Listener, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	l := &listener{addr: on, conns: make(chan net.Conn, 1), closed: make(chan struct{})}
	i.listeners[on] = l
	return l, nil
}

func (i *internet) dial(ctx context.Context, to netip.AddrPort) (net.Conn, error) {
	i.mu.Lock()
	l := i.listeners[to]
	i.mu.Unlock()
	if l == nil {
		return nil, errors.New("connection refused")
	}
	near, far := net.Pipe()
	select {
	case l.conns <- far:
		return near, nil
	case <-l.closed:
	case <-ctx.Done():
	}
	return nil, errors.Join(errors.New("connection refused"), near.Close(), far.Close())
}

// listener hands out the other ends of what was dialed.
type listener struct {
	addr   netip.AddrPort
	conns  chan net.Conn
	once   sync.Once
	closed chan struct{}
}

func (l *listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *listener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *listener) Addr() net.Addr { return net.TCPAddrFromAddrPort(l.addr) }

// line starts so many nodes, of which each dials the one before it, and returns when all
// links are up.
func line(t *testing.T, n int) (all []*shh.Whisper) {
	t.Helper()
	system := actor.NewActorSystem(actor.WithLoggerFactory(quiet), actor.WithDeadLetterThrottleInterval(time.Millisecond))
	t.Cleanup(system.Shutdown)
	internet := &internet{listeners: map[netip.AddrPort]*listener{}}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var before *enode.Node
	for i := range n {
		w := newWhisper(t, easy)
		all = append(all, w)
		self := startNode(t, ctx, node.Config{
			Key: newKey(t), System: system, Specs: []protocols.Spec{w.Spec()},
			Listen:     []netip.AddrPort{netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(i + 1)}), 30303)},
			ListenFunc: internet.listen, Dial: internet.dial,
		}, before)
		before = self
	}
	return all
}

// startNode runs a node until the test's end, and waits for its link to the one before it.
func startNode(t *testing.T, ctx context.Context, cfg node.Config, before *enode.Node) *enode.Node {
	t.Helper()
	if before != nil {
		cfg.StaticNodes = []*enode.Node{before}
	}
	n, err := node.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	events := n.Subscribe(ctx)
	if err := n.Start(ctx); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := n.Stop(ctx); err != nil {
			t.Error(err)
		}
	})
	if before == nil {
		return n.Self()
	}
	for e := range events {
		if e.Kind == node.PeerAdded {
			return n.Self()
		}
	}
	t.Fatalf("no link: %v", context.Cause(ctx))
	return nil
}

// TestLine: a message that is posted at one end of a line of fifty nodes is read at the
// other end, once, and one that goes back likewise.
func TestLine(t *testing.T) {
	const n = 50
	all := line(t, n)
	ends := [2]*shh.Whisper{all[0], all[n-1]}
	var feeds [2]<-chan *shh.Message
	for i, w := range ends {
		var err error
		if feeds[i], err = w.Subscribe(t.Context(), shh.Criteria{SymKeyID: symKeyID(t, w), Topics: []shh.Topic{topic}}); err != nil {
			t.Fatal(err)
		}
	}
	const rounds = 3
	for round := range rounds {
		for i, w := range ends {
			text := fmt.Sprintf("%d of end %d", round, i)
			post(t, w, topic, text)
			for at, feed := range feeds { // its own end reads it, too
				if got := next(t, feed); string(got.Payload) != text {
					t.Fatalf("end %d got %q, want %q", at, got.Payload, text)
				}
			}
		}
	}
	// What came twice would stand before the last one.
	for i, feed := range feeds {
		if len(feed) > 0 {
			t.Errorf("more came to end %d", i)
		}
	}
	for i, w := range all {
		if got := w.Info().Messages; got != 2*rounds {
			t.Errorf("node %d has %d envelopes, want %d", i, got, 2*rounds)
		}
	}
}

func next(t *testing.T, feed <-chan *shh.Message) *shh.Message {
	t.Helper()
	select {
	case m := <-feed:
		return m
	case <-time.After(time.Minute):
		t.Fatal("no message has come in a minute")
		return nil
	}
}

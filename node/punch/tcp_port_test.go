package punch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/troupe-p2p/troupe/actors/actortest"
	"github.com/troupe-p2p/troupe/actors/supervise"
	"github.com/troupe-p2p/troupe/nat/netaddr"
	"github.com/troupe-p2p/troupe/node/listen"
	"github.com/troupe-p2p/troupe/node/refusal"
)

// gate is a ListenPort with a real listening socket. strays has the connections that were not
// expected.
type gate struct {
	*ListenPort
	at     netip.AddrPort
	strays chan net.Conn
}

func newGate(t *testing.T, ip string) *gate {
	t.Helper()
	ln, err := listen.TCP(t.Context(), netip.AddrPortFrom(netip.MustParseAddr(ip), 0))
	if err != nil {
		t.Fatal(err)
	}
	at := netaddr.Of(ln.Addr())
	g := &gate{at: at, strays: make(chan net.Conn, 64), ListenPort: NewListenPort(ListenPortConfig{
		Dial: listen.DialFrom, Clock: supervise.SystemClock,
		From: func(to netip.Addr) (netip.AddrPort, bool) { return at, to.Is4() },
	})}
	var accepting sync.WaitGroup
	accepting.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			if !g.Take(conn) {
				g.strays <- conn
			}
		}
	})
	t.Cleanup(func() {
		ln.Close()
		accepting.Wait()
		close(g.strays)
		for conn := range g.strays {
			conn.Close()
		}
	})
	return g
}

// result is the result of an Open.
type result struct {
	conn net.Conn
	err  error
}

func (g *gate) open(ctx context.Context, to netip.AddrPort) <-chan result {
	return g.openAfter(ctx, to, 0)
}

func (g *gate) openAfter(ctx context.Context, to netip.AddrPort, after time.Duration) <-chan result {
	done := make(chan result, 1)
	go func() {
		conn, err := g.Open(ctx, to, after)
		done <- result{conn, err}
	}()
	return done
}

// TestOpenFromBothSides: two nodes open each other's port, both at the same moment, or one after
// the other's SYN has arrived. Then each has one connection, the same one.
func TestOpenFromBothSides(t *testing.T) {
	for name, order := range map[string]func(a, b chan<- struct{}, first func()){
		"at the same moment": func(a, b chan<- struct{}, _ func()) { close(a); close(b) },
		"one first":          func(a, b chan<- struct{}, first func()) { close(a); first(); close(b) },
		"the other first":    func(a, b chan<- struct{}, first func()) { close(b); first(); close(a) },
	} {
		t.Run(name, func(t *testing.T) {
			a, b := newGate(t, "127.0.0.1"), newGate(t, "127.0.0.2")
			for range 30 {
				goA, goB := make(chan struct{}), make(chan struct{})
				connected := make(chan struct{}, 64)
				a.Dial, b.Dial = after(goA, connected), after(goB, connected)
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				doneA, doneB := a.open(ctx, b.at), b.open(ctx, a.at)
				awaitExpected(t, a.ListenPort, 1)
				awaitExpected(t, b.ListenPort, 1)
				order(goA, goB, func() { <-connected })
				gotA, gotB := <-doneA, <-doneB
				cancel()
				if gotA.err != nil || gotB.err != nil {
					t.Fatalf("%v, %v", gotA.err, gotB.err)
				}
				sameConn(t, gotA.conn, gotB.conn)
				reset(gotA.conn)
				reset(gotB.conn)
			}
			if len(a.strays)+len(b.strays) > 0 {
				t.Errorf("%d and %d unexpected connections", len(a.strays), len(b.strays))
			}
		})
	}
}

// after returns a dial function that begins after start is closed, and reports its end to done.
func after(start <-chan struct{}, done chan<- struct{}) func(context.Context, netip.AddrPort, netip.AddrPort) (net.Conn, error) {
	return func(ctx context.Context, from, to netip.AddrPort) (net.Conn, error) {
		select {
		case <-start:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		conn, err := listen.DialFrom(ctx, from, to)
		done <- struct{}{}
		return conn, err
	}
}

// awaitExpected waits until a ListenPort expects want connections.
func awaitExpected(t *testing.T, d *ListenPort, want int) {
	t.Helper()
	actortest.Eventually(t, fmt.Sprintf("%d connections are expected", want), func() bool {
		d.mu.Lock()
		defer d.mu.Unlock()
		return len(d.expected) == want
	})
}

// sameConn checks that a and b are the two ends of one connection, and that it works both ways.
func sameConn(t *testing.T, a, b net.Conn) {
	t.Helper()
	if netaddr.Of(a.LocalAddr()) != netaddr.Of(b.RemoteAddr()) || netaddr.Of(b.LocalAddr()) != netaddr.Of(a.RemoteAddr()) {
		t.Fatalf("two connections: %v–%v and %v–%v", a.LocalAddr(), a.RemoteAddr(), b.LocalAddr(), b.RemoteAddr())
	}
	for _, way := range [][2]net.Conn{{a, b}, {b, a}} {
		if _, err := way[0].Write([]byte("hello")); err != nil {
			t.Fatal(err)
		}
		if err := way[1].SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
		got := make([]byte, 5)
		if _, err := io.ReadFull(way[1], got); err != nil || string(got) != "hello" {
			t.Fatalf("%q, %v", got, err)
		}
	}
}

// TestOpenAgain: Open dials again until a socket listens at the endpoint.
func TestOpenAgain(t *testing.T) {
	g := newGate(t, "127.0.0.1")
	free, err := net.Listen("tcp", "127.0.0.2:0")
	if err != nil {
		t.Fatal(err)
	}
	to := netaddr.Of(free.Addr())
	free.Close()
	refused := make(chan struct{}, 64)
	g.Dial = func(ctx context.Context, from, to netip.AddrPort) (net.Conn, error) {
		conn, err := listen.DialFrom(ctx, from, to)
		if err != nil {
			refused <- struct{}{}
		}
		return conn, err
	}
	done := g.open(t.Context(), to)
	<-refused
	ln, err := net.Listen("tcp", to.String())
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	got := <-done
	if got.err != nil {
		t.Fatal(got.err)
	}
	defer reset(got.conn)
	other, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer reset(other)
	sameConn(t, got.conn, other)
}

// TestOpenToAnyPort: with port 0, Open dials nothing and waits for the other side.
func TestOpenToAnyPort(t *testing.T) {
	g := newGate(t, "127.0.0.1")
	g.Dial = func(context.Context, netip.AddrPort, netip.AddrPort) (net.Conn, error) {
		t.Error("Open dials")
		return nil, errors.New("no")
	}
	done := g.open(t.Context(), netip.MustParseAddrPort("127.0.0.2:0"))
	awaitExpected(t, g.ListenPort, 1)
	stranger := dialAs(t, "127.0.0.3", g.at)
	defer stranger.Close()
	other := dialAs(t, "127.0.0.2", g.at)
	defer reset(other)
	got := <-done
	if got.err != nil {
		t.Fatal(got.err)
	}
	defer reset(got.conn)
	sameConn(t, got.conn, other)
	if stray := <-g.strays; netaddr.Of(stray.RemoteAddr()) != netaddr.Of(stranger.LocalAddr()) {
		t.Errorf("the unexpected connection is from %v, want %v", stray.RemoteAddr(), stranger.LocalAddr())
	} else {
		stray.Close()
	}
}

// TestOpenToEarlyRemote: Open takes a connection that arrives before the time to dial.
func TestOpenToEarlyRemote(t *testing.T) {
	g, early := newGate(t, "127.0.0.1"), newGate(t, "127.0.0.2")
	g.Dial = func(context.Context, netip.AddrPort, netip.AddrPort) (net.Conn, error) {
		t.Error("Open dials")
		return nil, errors.New("no")
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	done := g.openAfter(ctx, early.at, time.Hour)
	awaitExpected(t, g.ListenPort, 1)
	other := <-early.open(ctx, g.at)
	got := <-done
	if got.err != nil || other.err != nil {
		t.Fatalf("%v, %v", got.err, other.err)
	}
	defer reset(got.conn)
	defer reset(other.conn)
	sameConn(t, got.conn, other.conn)
}

// dialAs connects from the address ip.
func dialAs(t *testing.T, ip string, to netip.AddrPort) net.Conn {
	t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(ip)}}
	conn, err := d.DialContext(t.Context(), "tcp", to.String())
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

func TestOpenEnds(t *testing.T) {
	g := newGate(t, "127.0.0.1")
	to := netip.MustParseAddrPort("127.0.0.2:1")
	ctx, cancel := context.WithCancelCause(t.Context())
	reason := errors.New("reason")
	failure := errors.New("no route")
	g.Dial = func(context.Context, netip.AddrPort, netip.AddrPort) (net.Conn, error) {
		return nil, failure
	}
	done := g.open(ctx, to)
	awaitExpected(t, g.ListenPort, 1)
	cancel(reason)
	if got := <-done; !errors.Is(got.err, reason) || got.conn != nil {
		t.Errorf("got %v, %v; want %v", got.conn, got.err, reason)
	}
	awaitExpected(t, g.ListenPort, 0)
	late := dialAs(t, "127.0.0.2", g.at)
	defer late.Close()
	if stray := <-g.strays; netaddr.Of(stray.RemoteAddr()) != netaddr.Of(late.LocalAddr()) {
		t.Errorf("the unexpected connection is from %v, want %v", stray.RemoteAddr(), late.LocalAddr())
	} else {
		stray.Close()
	}
	g.Networks = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	if _, err := g.Open(t.Context(), to, 0); !errors.Is(err, refusal.ErrNotAllowed) {
		t.Errorf("outside the allowed networks: %v", err)
	}
	g.Networks = nil
	if _, err := g.Open(t.Context(), netip.MustParseAddrPort("[::1]:1"), 0); !errors.Is(err, errNoListener) {
		t.Errorf("another family: %v", err)
	}
}

// TestOpenIsBounded: the number of expected connections is limited.
func TestOpenIsBounded(t *testing.T) {
	g := newGate(t, "127.0.0.1")
	ctx, cancel := context.WithCancel(t.Context())
	var pending []<-chan result
	for range maxExpected {
		pending = append(pending, g.open(ctx, netip.MustParseAddrPort("127.0.0.2:0")))
	}
	awaitExpected(t, g.ListenPort, maxExpected)
	if _, err := g.Open(ctx, netip.MustParseAddrPort("127.0.0.3:0"), 0); !errors.Is(err, errTooMany) {
		t.Errorf("one more than the limit: %v, want %v", err, errTooMany)
	}
	cancel()
	for _, done := range pending {
		if got := <-done; got.err == nil {
			t.Error("a cancelled Open returns a connection")
		}
	}
	awaitExpected(t, g.ListenPort, 0)
}

// TestLateDialIsClosed: if the listening socket accepts the connection before the dial ends, the
// dialed connection is closed.
func TestLateDialIsClosed(t *testing.T) {
	g := newGate(t, "127.0.0.1")
	near, far := net.Pipe()
	defer far.Close()
	dialing, finish := make(chan struct{}), make(chan struct{})
	g.Dial = func(context.Context, netip.AddrPort, netip.AddrPort) (net.Conn, error) {
		close(dialing)
		<-finish
		return near, nil
	}
	ln, err := net.Listen("tcp", "127.0.0.2:0") // finds a free port
	if err != nil {
		t.Fatal(err)
	}
	at := netaddr.Of(ln.Addr())
	ln.Close()
	done := g.open(t.Context(), at)
	<-dialing
	other, err := listen.DialFrom(t.Context(), at, g.at)
	if err != nil {
		t.Fatal(err)
	}
	defer reset(other)
	awaitExpected(t, g.ListenPort, 0)
	close(finish)
	got := <-done
	if got.err != nil {
		t.Fatal(got.err)
	}
	defer reset(got.conn)
	sameConn(t, got.conn, other)
	if _, err := far.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("the dialed connection: %v, want %v", err, io.EOF)
	}
}

package listen

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"sync/atomic"
	"testing"

	"github.com/troupe-p2p/troupe/actors/actortest"
	"github.com/troupe-p2p/troupe/actors/supervise"
)

// pipes is a listener whose connections the test makes.
type pipes struct {
	conns chan net.Conn
	done  chan struct{}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case conn := <-p.conns:
		return conn, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Addr() net.Addr {
	return net.TCPAddrFromAddrPort(netip.MustParseAddrPort("203.0.113.1:30303"))
}

func (p *pipes) Close() error {
	select {
	case <-p.done:
	default:
		close(p.done)
	}
	return nil
}

// TestExpectedIsNotAccepted: an expected connection is not passed to Accept, and its credit is
// given back. An accepted connection keeps its credit.
func TestExpectedIsNotAccepted(t *testing.T) {
	ln := &pipes{conns: make(chan net.Conn), done: make(chan struct{})}
	s, err := Open(t.Context(), SocketConfig{
		Addrs:  []netip.AddrPort{netip.MustParseAddrPort("203.0.113.1:30303")},
		TCP:    func(context.Context, netip.AddrPort) (net.Listener, error) { return ln, nil },
		Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	system := actortest.NewSystem()
	rt := supervise.Runtime{System: system, Dispatcher: supervise.NewDispatcher(), Clock: supervise.SystemClock}
	credits, expected, accepted := make(chan struct{}, 4), make(chan bool, 1), make(chan net.Conn)
	pid := system.Root.Spawn(Props(Config{
		Runtime: rt, Sockets: s, Credits: credits, GiveBack: func() { <-credits },
		Expected: func(net.Conn) bool { return <-expected },
		Accept:   func(conn net.Conn) bool { accepted <- conn; return true },
		Logger:   slog.New(slog.DiscardHandler),
	}))
	connect := func(isExpected bool) net.Conn {
		conn, other := net.Pipe()
		t.Cleanup(func() { errors.Join(conn.Close(), other.Close()) })
		expected <- isExpected
		ln.conns <- conn
		return conn
	}
	for range 2 * cap(credits) { // more than there are credits
		connect(true)
	}
	if conn := connect(false); <-accepted != conn {
		t.Error("another connection was accepted")
	}
	actortest.Eventually(t, "a credit for the accepted connection and one for the next", func() bool { return len(credits) == 2 })
	if st := s.State(); st.Accepted != uint64(2*cap(credits)+1) || st.Failed != 0 {
		t.Errorf("state %+v", st)
	}
	system.Root.Stop(pid)
	<-ln.done
	rt.Dispatcher.Close()
	system.Shutdown()
}

// crashing is a listener whose first Accept panics.
type crashing struct {
	*pipes
	crashed atomic.Bool
}

func (c *crashing) Accept() (net.Conn, error) {
	if c.crashed.CompareAndSwap(false, true) {
		panic(errors.New("broken"))
	}
	return c.pipes.Accept()
}

// TestAcceptPanics: the credit is given back, and the restarted listener accepts.
func TestAcceptPanics(t *testing.T) {
	ln := &crashing{pipes: &pipes{conns: make(chan net.Conn), done: make(chan struct{})}}
	s, err := Open(t.Context(), SocketConfig{
		Addrs:  []netip.AddrPort{netip.MustParseAddrPort("203.0.113.1:30303")},
		TCP:    func(context.Context, netip.AddrPort) (net.Listener, error) { return ln, nil },
		Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	system := actortest.NewSystem()
	rt := supervise.Runtime{System: system, Dispatcher: supervise.NewDispatcher(), Clock: supervise.SystemClock}
	credits, accepted := make(chan struct{}, 1), make(chan net.Conn)
	pid := system.Root.Spawn(Props(Config{
		Runtime: rt, Sockets: s, Credits: credits, GiveBack: func() { <-credits },
		Accept: func(conn net.Conn) bool { accepted <- conn; return true },
		Logger: slog.New(slog.DiscardHandler),
	}))
	conn, other := net.Pipe()
	ln.conns <- conn // blocks for ever if the only credit is lost
	if <-accepted != conn {
		t.Error("another connection was accepted")
	}
	other.Close()
	system.Root.Stop(pid)
	<-ln.done
	rt.Dispatcher.Close()
	system.Shutdown()
}

func TestFrom(t *testing.T) {
	at := func(list ...string) (addrs []netip.AddrPort) {
		for _, s := range list {
			if s == "" {
				addrs = append(addrs, netip.AddrPort{})
				continue
			}
			addrs = append(addrs, netip.MustParseAddrPort(s))
		}
		return addrs
	}
	for _, tt := range []struct {
		name              string
		configured, bound []netip.AddrPort
		to, want          string // want empty: none
	}{
		{"one address", at("30.1.1.1:0"), at("30.1.1.1:3"), "30.9.9.9", "30.1.1.1:3"},
		{"another family", at("30.1.1.1:0"), at("30.1.1.1:3"), "2001:db8::1", ""},
		{"all addresses of a family", at("0.0.0.0:0"), at("0.0.0.0:3"), "30.9.9.9", "0.0.0.0:3"},
		{"all addresses", at(""), at("[::]:3"), "30.9.9.9", "0.0.0.0:3"},
		{"all addresses, IPv6", at(""), at("[::]:3"), "2001:db8::1", "[::]:3"},
		{"loopback to loopback", at("30.1.1.1:0", "127.0.0.1:0"), at("30.1.1.1:3", "127.0.0.1:3"), "127.0.0.2", "127.0.0.1:3"},
		{"loopback not to other addresses", at("127.0.0.1:0", "30.1.1.1:0"), at("127.0.0.1:3", "30.1.1.1:3"), "30.9.9.9", "30.1.1.1:3"},
		{"loopback if there is no other", at("127.0.0.1:0"), at("127.0.0.1:3"), "30.9.9.9", "127.0.0.1:3"},
		{"listener in memory", at("10.0.0.1:0"), at(""), "10.0.0.2", ""},
	} {
		got, ok := leaveFrom(tt.configured, tt.bound, netip.MustParseAddr(tt.to))
		if ok != (tt.want != "") || ok && got.String() != tt.want {
			t.Errorf("%s: from %v, %v, want %q", tt.name, got, ok, tt.want)
		}
	}
}

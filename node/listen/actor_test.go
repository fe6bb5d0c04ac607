package listen

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

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

// run runs the listener with these connections until the test ends. It returns the credits.
func run(t *testing.T, ln net.Listener, max int, edit func(*Config)) (credits chan struct{}) {
	t.Helper()
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
	credits = make(chan struct{}, max)
	c := Config{
		Runtime: rt, Sockets: s, Credits: credits, GiveBack: func() { <-credits },
		Logger: slog.New(slog.DiscardHandler),
	}
	edit(&c)
	pid := system.Root.Spawn(Props(c))
	t.Cleanup(func() {
		system.Root.Stop(pid)
		actortest.Eventually(t, "the listener has stopped", func() bool {
			_, ok := system.ProcessRegistry.GetLocal(pid.Id)
			return !ok
		})
		rt.Dispatcher.Close()
		system.Shutdown()
	})
	return credits
}

// TestExpectedIsNotAccepted: an expected connection is not passed to Accept, and its credit is
// given back. An accepted connection keeps its credit.
func TestExpectedIsNotAccepted(t *testing.T) {
	ln := &pipes{conns: make(chan net.Conn), done: make(chan struct{})}
	expected, accepted := make(chan bool, 1), make(chan net.Conn)
	var sockets *Sockets
	credits := run(t, ln, 4, func(c *Config) {
		sockets = c.Sockets
		c.Expected = func(net.Conn) bool { return <-expected }
		c.Accept = func(conn net.Conn) bool { accepted <- conn; return true }
	})
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
	if st := sockets.State(); st.Accepted != uint64(2*cap(credits)+1) || st.Failed != 0 {
		t.Errorf("state %+v", st)
	}
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

// TestAcceptPanics: the only credit is given back, and the restarted listener accepts.
func TestAcceptPanics(t *testing.T) {
	ln := &crashing{pipes: &pipes{conns: make(chan net.Conn), done: make(chan struct{})}}
	accepted := make(chan net.Conn, 1)
	run(t, ln, 1, func(c *Config) {
		c.Accept = func(conn net.Conn) bool { accepted <- conn; return true }
	})
	conn, other := net.Pipe()
	t.Cleanup(func() { errors.Join(conn.Close(), other.Close()) })
	select {
	case ln.conns <- conn:
	case <-time.After(30 * time.Second):
		t.Fatal("the listener does not accept: the credit is lost")
	}
	if <-accepted != conn {
		t.Error("another connection was accepted")
	}
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

package nodetest_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/troupe-p2p/troupe/node/nodetest"
)

var (
	alice = netip.MustParseAddr("192.0.2.1")
	bob   = netip.MustParseAddr("2001:db8::2")
	carol = netip.MustParseAddr("192.0.2.3")
	entry = netip.AddrPortFrom(bob, 30303)
)

// listen opens a listener until the test ends.
func listen(t *testing.T, n *nodetest.Network, on netip.AddrPort) net.Listener {
	t.Helper()
	l, err := n.Listen(t.Context(), on)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// connect makes a connection and returns both ends.
func connect(t *testing.T, n *nodetest.Network, from netip.Addr, l net.Listener) (near, far net.Conn) {
	t.Helper()
	near, err := n.DialFrom(from)(t.Context(), l.Addr().(*net.TCPAddr).AddrPort())
	if err != nil {
		t.Fatal(err)
	}
	if far, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { near.Close(); far.Close() })
	return near, far
}

// sends writes at one end and expects it at the other after exactly this time.
func sends(t *testing.T, from, to net.Conn, after time.Duration) {
	t.Helper()
	begin := time.Now()
	if _, err := from.Write([]byte("hello")); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 10)
	n, err := to.Read(got)
	if string(got[:n]) != "hello" || err != nil || time.Since(begin) != after {
		t.Errorf("read %q, %v after %v, want hello after %v", got[:n], err, time.Since(begin), after)
	}
}

func TestListenAndDial(t *testing.T) {
	n := nodetest.NewNetwork()
	l := listen(t, n, entry)
	near, far := connect(t, n, alice, l)
	if a, ok := near.LocalAddr().(*net.TCPAddr); !ok || a.AddrPort().Addr() != alice || near.LocalAddr().String() != far.RemoteAddr().String() {
		t.Errorf("the dialer has the address %v, the listener sees %v", near.LocalAddr(), far.RemoteAddr())
	}
	if near.RemoteAddr().String() != entry.String() || far.LocalAddr().String() != entry.String() {
		t.Errorf("the listener has the address %v, the dialer sees %v", far.LocalAddr(), near.RemoteAddr())
	}
	again, _ := connect(t, n, alice, l)
	if again.LocalAddr().String() == near.LocalAddr().String() {
		t.Errorf("two connections from %v", near.LocalAddr())
	}
	if _, err := n.Listen(t.Context(), entry); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("listen at the same address: %v", err)
	}
	if _, err := n.Listen(t.Context(), netip.MustParseAddrPort("0.0.0.0:1")); err == nil {
		t.Error("Listen accepted an address that is no host's")
	}
	free := listen(t, n, netip.AddrPortFrom(alice, 0))
	if free.Addr().(*net.TCPAddr).Port == 0 {
		t.Error("Listen with port 0 assigned no port")
	}
	connect(t, n, bob, free)
}

// TestListenerCloses: a connection that was not accepted ends, and a later dial is refused.
func TestListenerCloses(t *testing.T) {
	n := nodetest.NewNetwork()
	l := listen(t, n, entry)
	near, far := connect(t, n, alice, l)
	waiting, err := n.DialFrom(alice)(t.Context(), entry)
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	l.Close()
	if _, err := waiting.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("read on a connection that was not accepted: %v", err)
	}
	waiting.Close()
	var op *net.OpError
	if _, err := n.DialFrom(alice)(t.Context(), entry); !errors.Is(err, syscall.ECONNREFUSED) || !errors.As(err, &op) || op.Addr.String() != entry.String() {
		t.Errorf("dial: %v", err)
	}
	if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("accept: %v", err)
	}
	if _, err := near.Write([]byte("x")); err != nil {
		t.Errorf("write on a connection that was accepted: %v", err)
	}
	if _, err := far.Read(make([]byte, 1)); err != nil {
		t.Errorf("read on a connection that was accepted: %v", err)
	}
	listen(t, n, entry)
}

func TestLatency(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := nodetest.NewNetwork()
		l := listen(t, n, entry)
		n.SetLatency(time.Second)
		n.SetLatencyBetween(carol, bob, time.Minute)
		begin := time.Now()
		near, far := connect(t, n, alice, l)
		if took := time.Since(begin); took != 2*time.Second {
			t.Errorf("connecting took %v, want a round trip of 2 s", took)
		}
		sends(t, near, far, time.Second)
		n.SetLatency(3 * time.Second)
		sends(t, far, near, 3*time.Second)
		slow, there := connect(t, n, carol, l)
		sends(t, slow, there, time.Minute)
		if _, err := n.DialFrom(carol)(t.Context(), netip.AddrPortFrom(bob, 1)); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("dial a port without a listener: %v", err)
		}
		if took := time.Since(begin); took != (2+1+3+60*5)*time.Second {
			t.Errorf("the test took %v of simulated time", took)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := n.DialFrom(carol)(ctx, entry); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("dial with a deadline that is too short: %v", err)
		}
	})
}

// TestWaysThatAreDown: however a way is cut, what is sent waits, a dial waits until its context
// ends, and other ways work as before.
func TestWaysThatAreDown(t *testing.T) {
	for name, cut := range map[string]func(n *nodetest.Network){
		"by itself":              func(n *nodetest.Network) { n.SetDown(bob, alice, true) },
		"between groups":         func(n *nodetest.Network) { n.Partition([]netip.Addr{alice}, []netip.Addr{bob, carol}) },
		"to those in no group":   func(n *nodetest.Network) { n.Partition([]netip.Addr{alice}) },
		"by the later partition": func(n *nodetest.Network) { n.Partition([]netip.Addr{carol}); n.Partition([]netip.Addr{bob, carol}) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := nodetest.NewNetwork()
				l := listen(t, n, entry)
				near, far := connect(t, n, alice, l)
				other, there := connect(t, n, carol, l)
				self, own := connect(t, n, bob, l)
				cut(n)
				sends(t, other, there, 0)
				sends(t, self, own, 0)
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				if _, err := n.DialFrom(alice)(ctx, entry); !errors.Is(err, os.ErrDeadlineExceeded) {
					t.Errorf("dial: %v", err)
				}
				cancelled, callOff := context.WithCancelCause(t.Context())
				callOff(syscall.EINTR)
				if _, err := n.DialFrom(alice)(cancelled, entry); !errors.Is(err, syscall.EINTR) {
					t.Errorf("cancelled dial: %v", err)
				}
				time.AfterFunc(time.Hour, n.Heal)
				sends(t, near, far, time.Hour)
				cut(n)
				time.AfterFunc(time.Hour, n.Heal)
				begin := time.Now()
				connect(t, n, alice, l)
				if took := time.Since(begin); took != time.Hour {
					t.Errorf("a dial without a deadline took %v, want an hour", took)
				}
			})
		})
	}
}

func TestReset(t *testing.T) {
	n := nodetest.NewNetwork()
	l := listen(t, n, entry)
	near, far := connect(t, n, alice, l)
	other, there := connect(t, n, carol, l)
	n.Reset(bob, alice)
	for _, c := range []net.Conn{near, far} {
		if _, err := c.Write([]byte("x")); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("write: %v", err)
		}
	}
	if _, err := other.Write([]byte("x")); err != nil {
		t.Errorf("write to another host: %v", err)
	}
	if _, err := there.Read(make([]byte, 1)); err != nil {
		t.Errorf("read from another host: %v", err)
	}
}

// TestHalfClose: after CloseWrite the other direction still works.
func TestHalfClose(t *testing.T) {
	n := nodetest.NewNetwork()
	near, far := connect(t, n, alice, listen(t, n, entry))
	if err := near.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if _, err := far.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("read: %v", err)
	}
	if _, err := far.Write([]byte("still")); err != nil {
		t.Errorf("write: %v", err)
	}
	if _, err := near.Read(make([]byte, 5)); err != nil {
		t.Errorf("read of the other direction: %v", err)
	}
}

package node

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/troupe-p2p/troupe/nat"
	"github.com/troupe-p2p/troupe/nat/netaddr"
	"github.com/troupe-p2p/troupe/node/bans"
	"github.com/troupe-p2p/troupe/node/datadir"
	"github.com/troupe-p2p/troupe/node/refusal"
	"github.com/troupe-p2p/troupe/protocols"
	"github.com/troupe-p2p/troupe/protocols/bench"
	"github.com/troupe-p2p/troupe/wire"
)

// hall is where the connections of a node under test come in, from whatever address.
type hall struct {
	at    netip.AddrPort
	conns chan net.Conn
	done  chan struct{}
}

func (h *hall) Accept() (net.Conn, error) {
	select {
	case conn := <-h.conns:
		return conn, nil
	case <-h.done:
		return nil, net.ErrClosed
	}
}

func (h *hall) Addr() net.Addr { return net.TCPAddrFromAddrPort(h.at) }

func (h *hall) Close() error {
	select {
	case <-h.done:
	default:
		close(h.done)
	}
	return nil
}

// placedConn is a connection with addresses.
type placedConn struct {
	net.Conn
	local, remote netip.AddrPort
}

func (c placedConn) LocalAddr() net.Addr  { return net.TCPAddrFromAddrPort(c.local) }
func (c placedConn) RemoteAddr() net.Addr { return net.TCPAddrFromAddrPort(c.remote) }

// conn gives both ends of a connection from an address, ours first.
func (h *hall) conn(t *testing.T, from string) (ours, theirs net.Conn) {
	ours, theirs = net.Pipe()
	t.Cleanup(func() { theirs.Close() })
	return placedConn{ours, h.at, netip.MustParseAddrPort(from)}, theirs
}

// comesIn has a connection come in, and gives the remote's end.
func (h *hall) comesIn(t *testing.T, from string) net.Conn {
	ours, theirs := h.conn(t, from)
	h.conns <- ours
	return theirs
}

var errUndialed = errors.New("nobody is dialed directly")

// hallNode runs a node that listens at a public address, until the test ends.
func hallNode(t *testing.T, edit func(*Config)) (*Node, *hall) {
	t.Helper()
	h := &hall{at: netip.MustParseAddrPort("203.0.113.1:30303"), conns: make(chan net.Conn), done: make(chan struct{})}
	key, err := datadir.FreshKey()
	if err != nil {
		t.Fatal(err)
	}
	c := Config{
		Key: key, Listen: []netip.AddrPort{h.at}, Specs: []protocols.Spec{bench.Spec()},
		ListenFunc: func(context.Context, netip.AddrPort) (net.Listener, error) { return h, nil },
		Dial: func(_ context.Context, to netip.AddrPort) (net.Conn, error) {
			return nil, errUndialed
		},
		DialFrom: func(context.Context, netip.AddrPort, netip.AddrPort) (net.Conn, error) {
			return nil, errors.New("nobody is dialed from the port")
		},
	}
	if edit != nil {
		edit(&c)
	}
	n, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	if err := n.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { halt(t, n) })
	return n, h
}

// greetAs makes a session as a node that offers bench.
func greetAs(conn net.Conn, n *Node) (id enode.ID, err error) {
	key, err := datadir.FreshKey()
	if err != nil {
		return id, err
	}
	_, err = wire.Dial(conn, key, n.Self().Pubkey(), &wire.Hello{
		Version: wire.BaseVersion, Name: "remote", Caps: n.offer.Load().Hello.Caps,
		ID: [64]byte(crypto.FromECDSAPub(&key.PublicKey)[1:]),
	}, wire.Options{})
	return enode.PubkeyToIDV4(&key.PublicKey), err
}

// TestTellsWhatItSees on real TCP, where a close must not overtake the answer.
func TestTellsWhatItSees(t *testing.T) {
	n := punchingNode(t, func(c *Config) {
		c.Discovery, c.Listen = nil, []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:0")}
	})
	events := n.Subscribe(t.Context())
	at, _ := n.Self().TCPEndpoint()
	for range 20 {
		conn := dialAs(t, "127.0.0.2", at)
		seen, err := askBinding(conn)
		if want := netaddr.Of(conn.LocalAddr()); err != nil || seen != want {
			t.Fatalf("seen as %v, %v; want %v", seen, err, want)
		}
		if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
			t.Errorf("behind the answer: %v", err)
		}
		conn.Close()
	}
	garbage := dialAs(t, "127.0.0.2", at)
	defer garbage.Close()
	if _, err := garbage.Write(make([]byte, 100)); err != nil {
		t.Fatal(err)
	}
	for e := range events {
		if e.Kind == SetupFailed {
			if e.Peer.RemoteAddr != netaddr.Of(garbage.LocalAddr()) {
				t.Errorf("%v failed: %v", e.Peer.RemoteAddr, e.Err)
			}
			break
		}
	}
}

func TestTellObserved(t *testing.T) {
	request, err := newBinding()
	if err != nil {
		t.Fatal(err)
	}
	h := &hall{at: netip.MustParseAddrPort("203.0.113.1:30303")}
	for _, tt := range []struct {
		name        string
		began, rest []byte
		want        bool
	}{
		{"at once", request, nil, true},
		{"in pieces", request[:2], request[2:], true},
		{"more behind it", append(bytes.Clone(request), 0), nil, false},
		{"no STUN", append([]byte{0, 0}, request[2:]...), nil, false},
		{"another message", append([]byte{0, 1, 0, 4}, request[4:]...), nil, false},
		{"cut", request[:2], request[2:19], false},
	} {
		ours, theirs := h.conn(t, "198.51.100.7:4000")
		told := make(chan bool, 1)
		go func() {
			told <- tellObserved(ours, tt.began)
			ours.Close()
		}()
		if len(tt.rest) > 0 {
			if _, err := theirs.Write(tt.rest); err != nil {
				t.Fatal(err)
			}
		}
		if !tt.want && tt.name == "cut" {
			theirs.Close()
		}
		answer, err := io.ReadAll(theirs)
		if got := <-told; got != tt.want || got && err != nil || !got && len(answer) > 0 {
			t.Errorf("%s: %v, % x, %v", tt.name, got, answer, err)
		}
		if seen, ok := readBinding(answer, request); tt.want && (!ok || seen.String() != "198.51.100.7:4000") {
			t.Errorf("%s: %v, %v", tt.name, seen, ok)
		}
	}
}

// TestCalledIsLetIn: who called comes in although his address was here before, and the link
// says how. That tells nothing of the router.
func TestCalledIsLetIn(t *testing.T) {
	n, h := hallNode(t, nil)
	if _, err := greetAs(h.comesIn(t, "198.51.100.7:1"), n); err != nil {
		t.Fatal(err)
	}
	if _, err := greetAs(h.comesIn(t, "198.51.100.7:2"), n); err == nil {
		t.Fatal("the address was not throttled")
	}
	n.heard[nat.TCP].Store(0)
	ours, theirs := h.conn(t, "198.51.100.7:3")
	n.takeIn(ours)
	id, err := greetAs(theirs, n)
	if err != nil {
		t.Fatal(err)
	}
	within(t, "two peers", func() bool { return n.PeerCount() == 2 })
	for _, p := range n.Peers() {
		if p.Punched != (p.ID == id) || !p.Inbound {
			t.Errorf("%v: punched %v, inbound %v", p.RemoteAddr, p.Punched, p.Inbound)
		}
	}
	if n.heard[nat.TCP].Load() != 0 {
		t.Error("the router is thought to let others in")
	}
	within(t, "the acceptor has the only credit", func() bool { return len(n.intake) == 1 })
}

func TestCalledIsTurnedAway(t *testing.T) {
	restricted := func(c *Config) { c.NetRestrict = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")} }
	for name, tt := range map[string]struct {
		edit   func(*Config)
		before func(t *testing.T, n *Node)
		told   error // nil: nobody is told
	}{
		"outside the networks": {restricted, func(*testing.T, *Node) {}, refusal.ErrNotAllowed},
		"banned": {nil, func(t *testing.T, n *Node) {
			if err := n.Ban(bans.Target{Net: netip.MustParsePrefix("198.51.100.7/32")}, time.Hour, "test"); err != nil {
				t.Error(err)
			}
		}, refusal.ErrBanned},
		"too many wait": {nil, func(_ *testing.T, n *Node) {
			for len(n.intake) < maxWaiting {
				n.intake <- struct{}{}
			}
		}, nil},
		"stopped": {nil, func(t *testing.T, n *Node) { halt(t, n) }, nil},
	} {
		t.Run(name, func(t *testing.T) {
			n, h := hallNode(t, tt.edit)
			tt.before(t, n)
			events := n.Subscribe(t.Context())
			ours, theirs := h.conn(t, "198.51.100.7:3")
			n.takeIn(ours)
			if _, err := theirs.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
				t.Errorf("the connection: %v", err)
			}
			if tt.told == nil {
				return
			}
			for e := range events {
				if e.Kind == SetupFailed { // else it was heard first, in vain
					if !errors.Is(e.Err, tt.told) {
						t.Errorf("it failed with %v, want %v", e.Err, tt.told)
					}
					return
				}
			}
		})
	}
}

// TestCallersLeaveRoom: silent ones fill their share of the slots and no more. One that has to
// wait gets its turn.
func TestCallersLeaveRoom(t *testing.T) {
	n, h := hallNode(t, func(c *Config) { c.MaxPending = 8 })
	ours, silent := h.conn(t, "198.51.100.7:1")
	n.takeIn(ours)
	waits, patient := h.conn(t, "198.51.100.7:2")
	n.takeIn(waits)
	if _, err := greetAs(h.comesIn(t, "198.51.100.8:1"), n); err != nil {
		t.Errorf("a stranger: %v", err)
	}
	if err := patient.SetWriteDeadline(time.Now().Add(10 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if _, err := patient.Write([]byte{1}); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("more callers are heard than may be: %v", err)
	}
	silent.Close()
	if _, err := greetAs(patient, n); err != nil {
		t.Errorf("the caller that waits: %v", err)
	}
}

// TestAwaitedIsLetIn once, although its address was here before.
func TestAwaitedIsLetIn(t *testing.T) {
	n, h := hallNode(t, nil)
	if _, err := greetAs(h.comesIn(t, "198.51.100.7:1"), n); err != nil {
		t.Fatal(err)
	}
	n.door.Await(netip.MustParseAddr("198.51.100.7"))
	seen, err := askBinding(h.comesIn(t, "198.51.100.7:2"))
	if err != nil || seen.String() != "198.51.100.7:2" {
		t.Errorf("seen as %v, %v", seen, err)
	}
	if _, err := askBinding(h.comesIn(t, "198.51.100.7:3")); err == nil {
		t.Error("the address is not throttled any more")
	}
	if _, err := greetAs(h.comesIn(t, "198.51.100.8:1"), n); err != nil {
		t.Errorf("a stranger: %v", err)
	}
}

// TestExpectedIsHandedOver: no handshake begins for a connection that Open waits for, and no
// credit is lost with it.
func TestExpectedIsHandedOver(t *testing.T) {
	n, h := hallNode(t, nil)
	for range maxWaiting + 1 {
		done := (&gate{door: n.door}).open(t.Context(), netip.MustParseAddrPort("198.51.100.7:0"))
		awaitExpected(t, n.door, 1)
		theirs := h.comesIn(t, "198.51.100.7:1")
		got := <-done
		if got.err != nil {
			t.Fatal(got.err)
		}
		got.conn.Close()
		theirs.Close()
	}
	if _, err := greetAs(h.comesIn(t, "198.51.100.8:1"), n); err != nil {
		t.Errorf("another one afterwards: %v", err)
	}
}

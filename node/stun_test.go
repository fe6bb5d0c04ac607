package node

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"testing"

	"github.com/troupe-p2p/troupe/nat/netaddr"
	"github.com/troupe-p2p/troupe/nat/stun"
)

// TestAnswersSTUN: a node answers STUN requests over real TCP. The close must not overtake the
// answer.
func TestAnswersSTUN(t *testing.T) {
	n := punchingNode(t, func(c *Config) {
		c.Discovery, c.Listen = nil, []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:0")}
	})
	events := n.Subscribe(t.Context())
	at, _ := n.Self().TCPEndpoint()
	for range 20 {
		conn := dialAs(t, "127.0.0.2", at)
		seen, err := stun.Ask(conn)
		if want := netaddr.Of(conn.LocalAddr()); err != nil || seen != want {
			t.Fatalf("observed as %v, %v; want %v", seen, err, want)
		}
		if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
			t.Errorf("after the answer: %v, want %v", err, io.EOF)
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
				t.Errorf("setup failed for %v: %v", e.Peer.RemoteAddr, e.Err)
			}
			break
		}
	}
}

func dialAs(t *testing.T, ip string, to netip.AddrPort) net.Conn {
	t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(ip)}}
	conn, err := d.DialContext(t.Context(), "tcp", to.String())
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

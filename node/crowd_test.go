package node_test

import (
	"context"
	"crypto/ecdsa"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/troupe-p2p/troupe/protocols/protocoltest"
	"github.com/troupe-p2p/troupe/wire"
)

// crowd is many remotes with an address each, which answer a dial with a session.
type crowd struct {
	nodes []*enode.Node
	keys  map[netip.AddrPort]*ecdsa.PrivateKey

	mu    sync.Mutex
	dials []time.Time
	count map[netip.AddrPort]int
}

// newCrowd makes n remotes; addr gives the address of each.
func newCrowd(t *testing.T, n int, addr func(i int) netip.Addr) *crowd {
	t.Helper()
	c := &crowd{keys: map[netip.AddrPort]*ecdsa.PrivateKey{}, count: map[netip.AddrPort]int{}}
	for i := range n {
		key := newKey(t)
		at := netip.AddrPortFrom(addr(i), uint16(10000+i))
		c.keys[at] = key
		c.nodes = append(c.nodes, enode.NewV4(&key.PublicKey, at.Addr().AsSlice(), int(at.Port()), int(at.Port())))
	}
	return c
}

// scattered gives addresses in networks of their own.
func scattered(i int) netip.Addr { return netip.AddrFrom4([4]byte{11, byte(i >> 8), byte(i), 1}) }

// neighbours gives addresses in one network.
func neighbours(i int) netip.Addr { return netip.AddrFrom4([4]byte{203, 0, 113, byte(i)}) }

func (c *crowd) note(to netip.AddrPort) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.dials = append(c.dials, time.Now())
	c.count[to]++
}

// refuse is a Dial function that finds nobody.
func (c *crowd) refuse(_ context.Context, to netip.AddrPort) (net.Conn, error) {
	c.note(to)
	return nil, errors.New("connection refused")
}

// welcome is a Dial function that finds everybody.
func (c *crowd) welcome(_ context.Context, to netip.AddrPort) (net.Conn, error) {
	c.note(to)
	key := c.keys[to]
	cable := protocoltest.NewCable(0, home, to)
	near, far := cable.A(), cable.B()
	go func() {
		h := &wire.Hello{Version: wire.BaseVersion, Name: "crowd", Caps: []wire.Cap{greet}, ID: [64]byte(crypto.FromECDSAPub(&key.PublicKey)[1:])}
		defer far.Close()
		r, err := wire.AcceptAuth(far, key, wire.Options{})
		if err != nil {
			return
		}
		if session, err := r.Welcome(far, h); err == nil {
			stay(far, session)
		}
	}()
	return near, nil
}

// stay is a peer that only answers pings, until the node ends the link.
func stay(conn net.Conn, session *wire.Session) {
	buf := make([]byte, 1024)
	for {
		if _, err := conn.Read(buf); err != nil {
			return
		}
		pong, err := wire.AppendCompressed(nil, wire.PongMsg, []byte{0xc0})
		if err == nil {
			err = session.Encoder.Seal(pong)
		}
		if err == nil {
			_, err = conn.Write(pong)
		}
		if err != nil {
			return
		}
	}
}

// busiestSecond is how many dials began within a second at most.
func (c *crowd) busiestSecond() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	most, first := 0, 0
	for i, t := range c.dials {
		for t.Sub(c.dials[first]) >= time.Second {
			first++
		}
		most = max(most, i-first+1)
	}
	return most
}

// lines is a log that keeps what an operator sees.
type lines struct {
	slog.Handler
	mu   sync.Mutex
	list []slog.Record
}

func (l *lines) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelInfo }

func (l *lines) Handle(_ context.Context, r slog.Record) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.list = append(l.list, r)
	return nil
}

func (l *lines) WithAttrs([]slog.Attr) slog.Handler { return l }
func (l *lines) WithGroup(string) slog.Handler      { return l }

// about gives the attributes of the lines with a message, each as text.
func (l *lines) about(msg string) (found []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, r := range l.list {
		if r.Message != msg {
			continue
		}
		var text []string
		r.Attrs(func(a slog.Attr) bool {
			text = append(text, a.String())
			return true
		})
		found = append(found, strings.Join(text, " "))
	}
	return found
}

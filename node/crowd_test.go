package node_test

import (
	"context"
	"crypto/ecdsa"
	"errors"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/troupe-p2p/troupe/node/nodetest"
	"github.com/troupe-p2p/troupe/node/nodetest/fixture"
	"github.com/troupe-p2p/troupe/protocols/protocoltest"
	"github.com/troupe-p2p/troupe/wire"
)

// crowd is many remotes, each with an address of its own, that count dials.
type crowd struct {
	nodes []*enode.Node
	keys  map[netip.AddrPort]*ecdsa.PrivateKey

	mu    sync.Mutex
	dials []time.Time // when each dial began
	count map[netip.AddrPort]int
}

// newCrowd makes n remotes; addr returns the address of each.
func newCrowd(t *testing.T, n int, addr func(i int) netip.Addr) *crowd {
	t.Helper()
	c := &crowd{keys: map[netip.AddrPort]*ecdsa.PrivateKey{}, count: map[netip.AddrPort]int{}}
	for i := range n {
		key := fixture.Key(t)
		at := netip.AddrPortFrom(addr(i), uint16(10000+i))
		c.keys[at] = key
		c.nodes = append(c.nodes, enode.NewV4(&key.PublicKey, at.Addr().AsSlice(), int(at.Port()), int(at.Port())))
	}
	return c
}

// scattered returns addresses in different networks.
func scattered(i int) netip.Addr { return netip.AddrFrom4([4]byte{11, byte(i >> 8), byte(i), 1}) }

// neighbours returns addresses in one network.
func neighbours(i int) netip.Addr { return netip.AddrFrom4([4]byte{203, 0, 113, byte(i)}) }

// note records a dial.
func (c *crowd) note(to netip.AddrPort) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.dials = append(c.dials, time.Now())
	c.count[to]++
}

// refuse is a Dial function that always fails.
func (c *crowd) refuse(_ context.Context, to netip.AddrPort) (net.Conn, error) {
	c.note(to)
	return nil, errors.New("connection refused")
}

// welcome is a Dial function that connects to a remote that completes the handshake and then
// stays.
func (c *crowd) welcome(_ context.Context, to netip.AddrPort) (net.Conn, error) {
	c.note(to)
	key := c.keys[to]
	cable := protocoltest.NewCable(0, home, to)
	near, far := cable.A(), cable.B()
	go func() {
		h := &wire.Hello{Version: wire.BaseVersion, Name: "crowd", Caps: []wire.Cap{greet}, ID: fixture.HelloID(key)}
		defer far.Close()
		r, err := wire.AcceptAuth(far, key, wire.Options{})
		if err != nil {
			return
		}
		if session, err := r.Welcome(far, h); err == nil {
			(&nodetest.Client{Conn: far, Session: session}).Idle()
		}
	}()
	return near, nil
}

// busiestSecond returns the highest number of dials that began within a second.
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

package punch

import (
	"errors"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"

	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/troupe-p2p/troupe/nat/netaddr"
	"github.com/troupe-p2p/troupe/nat/stun"
)

// otherPort is a second UDP port, which says to whom sends a STUN request there under which
// endpoint it is seen.
type otherPort struct {
	mu     sync.Mutex
	conn   net.PacketConn // nil: closed
	number atomic.Uint32  // 0: closed
}

// port is its number, 0 where there is none.
func (o *otherPort) port() uint16 { return uint16(o.number.Load()) }

// open opens the port if the configuration has one, and answers there, in a goroutine
// started by spawn, until close.
func (o *otherPort) open(d *Desk, spawn func(func())) {
	if d.cfg.OpenOther == nil {
		return
	}
	conn, err := d.cfg.OpenOther()
	if err != nil {
		d.cfg.Logger.Debug("no other port for neighbours to tell their NAT by", "err", err)
		return
	}
	o.mu.Lock()
	o.conn = conn
	o.mu.Unlock()
	if at, ok := conn.LocalAddr().(*net.UDPAddr); ok {
		o.number.Store(uint32(at.Port))
	}
	spawn(func() { o.serve(d, conn) })
}

// serve answers until the socket is closed.
func (o *otherPort) serve(d *Desk, conn net.PacketConn) {
	limit := newBudget[netip.Prefix](otherFrom, remembered)
	buf := make([]byte, maxRequest)
	for fails := 0; fails < maxFails; {
		n, addr, err := conn.ReadFrom(buf)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		from, ok := addr.(*net.UDPAddr)
		if err != nil || !ok {
			fails++
			continue
		}
		fails = 0
		at := netaddr.Of(from)
		if !d.allowed(at) || d.refuses(enode.ID{}, at.Addr()) || !limit.take(netaddr.Host(at.Addr()), d.cfg.Clock.Now()) {
			continue
		}
		if answer, ok := stun.AnswerDatagram(buf[:n], at); ok {
			_, _ = conn.WriteTo(answer, addr) // who asked asks again
		}
	}
	d.cfg.Logger.Debug("the other port can't be read from")
	o.close()
}

// maxFails is after how many errors in a row nobody answers any more. One now and then may
// be about a datagram that was refused.
const maxFails = 64

// close may be called again.
func (o *otherPort) close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.number.Store(0)
	if o.conn != nil {
		_ = o.conn.Close()
		o.conn = nil
	}
}

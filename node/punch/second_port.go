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
type secondPort struct {
	mu     sync.Mutex
	conn   net.PacketConn // nil: closed
	number atomic.Uint32  // 0: closed
}

// port is its number, 0 where there is none.
func (p *secondPort) portNumber() uint16 { return uint16(p.number.Load()) }

// open opens the port if the configuration has one, and answers there, in a goroutine
// started by spawn, until close.
func (p *secondPort) open(s *Service, spawn func(func())) {
	if s.cfg.OpenSecondPort == nil {
		return
	}
	conn, err := s.cfg.OpenSecondPort()
	if err != nil {
		s.cfg.Logger.Debug("no other port for neighbours to tell their NAT by", "err", err)
		return
	}
	p.mu.Lock()
	p.conn = conn
	p.mu.Unlock()
	if at, ok := conn.LocalAddr().(*net.UDPAddr); ok {
		p.number.Store(uint32(at.Port))
	}
	spawn(func() { p.serve(s, conn) })
}

// serve answers until the socket is closed.
func (p *secondPort) serve(s *Service, conn net.PacketConn) {
	limit := newBudget[netip.Prefix](secondPortFrom, maxKeys)
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
		if !s.allowed(at) || s.refusesNode(enode.ID{}, at.Addr()) || !limit.take(netaddr.Host(at.Addr()), s.cfg.Clock.Now()) {
			continue
		}
		if answer, ok := stun.AnswerDatagram(buf[:n], at); ok {
			_, _ = conn.WriteTo(answer, addr) // who asked asks again
		}
	}
	s.cfg.Logger.Debug("the other port can't be read from")
	p.close()
}

// maxFails is after how many errors in a row nobody answers any more. One now and then may
// be about a datagram that was refused.
const maxFails = 64

// close may be called again.
func (p *secondPort) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.number.Store(0)
	if p.conn != nil {
		_ = p.conn.Close()
		p.conn = nil
	}
}

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

// secondPort is a UDP port beside that of discovery. It answers STUN requests with the endpoint of their sender.
type secondPort struct {
	mu     sync.Mutex
	conn   net.PacketConn // nil: closed
	number atomic.Uint32  // 0: closed
}

// portNumber returns the number of the port, or 0 if it is closed.
func (p *secondPort) portNumber() uint16 { return uint16(p.number.Load()) }

// open opens the port if the configuration has one. A goroutine started by spawn answers there until close.
func (p *secondPort) open(s *Service, spawn func(func())) {
	if s.cfg.OpenSecondPort == nil {
		return
	}
	conn, err := s.cfg.OpenSecondPort()
	if err != nil {
		s.cfg.Logger.Debug("opening the second UDP port failed", "err", err)
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
			_, _ = conn.WriteTo(answer, addr) // the sender repeats its request
		}
	}
	s.cfg.Logger.Debug("reading from the second UDP port failed too often; it is closed")
	p.close()
}

// maxFails is after how many errors in a row the port closes. Single errors are normal: they may report that
// a remote refused a datagram.
const maxFails = 64

// close closes the port. It may be called more than once.
func (p *secondPort) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.number.Store(0)
	if p.conn != nil {
		_ = p.conn.Close()
		p.conn = nil
	}
}

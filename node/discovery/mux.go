package discovery

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/p2p/discover"

	"github.com/troupe-p2p/troupe/actors/supervise"
	"github.com/troupe-p2p/troupe/nat/netaddr"
	"github.com/troupe-p2p/troupe/nat/stun"
)

const (
	// minPacket and maxPacket are the limits of discv5-wire, in bytes; those of v4 lie within.
	minPacket = 63
	maxPacket = 1280

	// contactSpan is how long an endpoint counts as known after this node has written to it. At
	// most twice contactLimit endpoints are remembered.
	contactSpan  = 5 * time.Minute
	contactLimit = 16384

	// Strangers may send strangerBurst packets to each protocol at once, and then strangerRate per
	// second, all strangers together. Each packet may cost a signature check, entries in the
	// library's unbounded maps and one in the node database, and its sender address may be forged.
	strangerRate  = 128
	strangerBurst = 1024

	// The known endpoints of one host (IPv6: a /64) may send contactBurst packets to each protocol at
	// once, and then contactRate per second. Every endpoint that this node once answered is known. A
	// lookup asks a node for a few packets a second.
	contactRate  = 128
	contactBurst = 512
	// rateLimit is how many hosts have an allowance; at most twice as many are remembered.
	rateLimit = 4096

	// reachedEvery is the minimum interval of reports that a stranger reached this node.
	reachedEvery = 5 * time.Second

	// readFailureLimit is how many reads may fail in a row before there are pauses between them.
	readFailureLimit = 8
	readPauseMin     = 5 * time.Millisecond
	readPauseMax     = time.Second

	// readBuffer is the requested size of the kernel's receive buffer, in bytes.
	readBuffer = 1 << 20
)

// protocol is a version of discovery.
type protocol int

const (
	protocolV4 protocol = iota
	protocolV5
	protocols
	// others stands for datagrams of neither version, see Config.Sniff. It has no port.
	others = protocols
)

// mux owns the sockets. It passes incoming packets to the protocol that they belong to, with limits
// and fairness. It is shared by all incarnations of the actor: a crash closes no socket.
type mux struct {
	clock    supervise.Clock
	restrict []netip.Prefix
	sniff    func(datagram []byte, from netip.AddrPort) bool // may be nil
	sockets  []*socket
	ports    [protocols]atomic.Pointer[port]
	traffic  traffic
	quit     chan struct{}
	end      sync.Once

	mu         sync.Mutex // protects the fields below
	contacts   *recent[netip.AddrPort]
	hosts      *recent[netip.Addr]
	limits     [protocols + 1]*allowance // the rate limits of strangers
	rates      [protocols + 1]hostRates  // the rate limits of known endpoints
	reportedAt time.Time                 // time of the last reached report
}

type socket struct {
	conn    discover.UDPConn
	running atomic.Bool // its goroutine is running
}

func newMux(c Config) *mux {
	m := &mux{
		clock: c.Clock, restrict: c.NetRestrict, sniff: c.Sniff, quit: make(chan struct{}),
		contacts: newRecent[netip.AddrPort](contactSpan, contactLimit),
		hosts:    newRecent[netip.Addr](contactSpan, contactLimit),
	}
	for i := range m.limits {
		m.limits[i] = newAllowance(strangerRate, strangerBurst)
	}
	for _, conn := range c.Conns {
		m.sockets = append(m.sockets, &socket{conn: conn})
	}
	return m
}

// start starts a reader for each socket that has none. spawn starts a goroutine, send sends to the
// actor.
func (m *mux) start(spawn func(func()), send func(any)) {
	for _, s := range m.sockets {
		if !s.running.CompareAndSwap(false, true) {
			continue // the reader of an earlier incarnation is still running
		}
		if k, ok := s.conn.(interface{ SetReadBuffer(int) error }); ok {
			if err := k.SetReadBuffer(readBuffer); err != nil {
				send(&socketFailed{socket: s.name(), err: fmt.Errorf("read buffer: %w", err)})
			}
		}
		spawn(func() {
			defer s.running.Store(false)
			m.read(s, send)
		})
	}
}

// close closes the sockets. Further calls have no effect.
func (m *mux) close() (err error) {
	m.end.Do(func() {
		close(m.quit)
		for _, s := range m.sockets {
			err = errors.Join(err, s.conn.Close())
		}
	})
	return err
}

func (s *socket) name() string { return "udp " + s.conn.LocalAddr().String() }

// read reads a socket until it is closed.
func (m *mux) read(s *socket, send func(any)) {
	var (
		buf    = make([]byte, maxPacket+1)
		hasher = crypto.NewKeccakState()
		fails  = 0
	)
	for {
		n, from, err := s.conn.ReadFromUDPAddrPort(buf)
		switch {
		case err == nil:
			fails = 0
			m.dispatch(hasher, buf[:n], netaddr.Unmap(from), send)
		case errors.Is(err, net.ErrClosed):
			if !m.over() {
				send(&socketFailed{socket: s.name(), err: err, final: true})
			}
			return
		default:
			m.traffic.failed.Add(1)
			if fails++; fails < readFailureLimit {
				continue
			}
			if fails == readFailureLimit {
				send(&socketFailed{socket: s.name(), err: err})
			}
			if !m.pause(min(readPauseMin<<min(fails-readFailureLimit, 10), readPauseMax)) {
				return
			}
		}
	}
}

// pause waits for d. It returns false if the sockets are closed first.
func (m *mux) pause(d time.Duration) bool {
	awake := make(chan struct{})
	timer := m.clock.AfterFunc(d, func() { close(awake) })
	defer timer.Stop()
	select {
	case <-awake:
		return true
	case <-m.quit:
		return false
	}
}

func (m *mux) over() bool {
	select {
	case <-m.quit:
		return true
	default:
		return false
	}
}

// dispatch passes one packet to the port of its protocol, or drops and counts it.
func (m *mux) dispatch(hasher crypto.KeccakState, data []byte, from netip.AddrPort, send func(any)) {
	m.traffic.received.Add(1)
	if m.sniff != nil && stun.HasHeader(data) && m.sniffed(data, from, send) {
		return
	}
	if len(data) < minPacket || len(data) > maxPacket {
		m.traffic.size.Add(1)
		return
	}
	if !netaddr.Allowed(m.restrict, from.Addr()) {
		m.traffic.restricted.Add(1)
		return
	}
	which := protocolOf(hasher, data)
	to := m.ports[which].Load()
	known, allowed := m.classify(which, from, send)
	switch {
	case to == nil:
		m.traffic.foreign.Add(1)
	case !allowed && known:
		m.traffic.contacts.Add(1)
	case !allowed:
		m.traffic.strangers.Add(1)
	case to.push(data, from, known):
		m.traffic.full.Add(1)
	}
}

// protocolOf distinguishes v4 from v5: a v4 packet begins with the hash of its rest. v5 has no
// recognisable bytes, by design; a packet of neither version goes to v5, which rejects it cheaply.
func protocolOf(hasher crypto.KeccakState, data []byte) protocol {
	var hash [32]byte
	hasher.Reset()
	_, _ = hasher.Write(data[len(hash):]) // never fails
	_, _ = hasher.Read(hash[:])
	if bytes.Equal(hash[:], data[:len(hash)]) {
		return protocolV4
	}
	return protocolV5
}

// classify reports whether a sender is known, and whether its packet is within the limits.
// Loopback has no limit, because only this machine can send from there.
func (m *mux) classify(which protocol, from netip.AddrPort, send func(any)) (known, allowed bool) {
	now := m.clock.Now()
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.contacts.has(from, now) {
		return true, from.Addr().IsLoopback() || m.rates[which].take(from.Addr(), now)
	}
	if netaddr.Public(from.Addr()) && !m.hosts.has(from.Addr(), now) && now.Sub(m.reportedAt) >= reachedEvery {
		m.reportedAt = now
		send(&reached{from: from})
	}
	return false, from.Addr().IsLoopback() || m.limits[which].take(now)
}

// write sends a packet from the socket that can reach the address, and marks the address as known.
func (m *mux) write(b []byte, to netip.AddrPort) (int, error) {
	to = netaddr.Unmap(to)
	s, err := m.route(to)
	if err != nil {
		return 0, err
	}
	now := m.clock.Now()
	m.mu.Lock()
	m.contacts.add(to, now)
	m.hosts.add(to.Addr(), now)
	m.mu.Unlock()
	return s.conn.WriteToUDPAddrPort(b, to)
}

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
	// minPacket and maxPacket are the limits of discv5-wire; those of v4 lie within.
	minPacket = 63
	maxPacket = 1280

	// contactSpan is for how long we count somebody as known to whom we have written, and
	// contactLimit how many of them there are, times two.
	contactSpan  = 5 * time.Minute
	contactLimit = 16384

	// Strangers get strangerBurst packets through to each protocol at once, and then
	// strangerRate a second. Each may cost us a signature check, entries in the library's
	// unbounded maps and one in the node database, whoever its sender pretends to be.
	strangerRate  = 128
	strangerBurst = 1024

	// reachedEvery is how often we tell that somebody reached us.
	reachedEvery = 5 * time.Second

	// readPatience is how many reads may fail in a row before there are pauses between them.
	readPatience = 8
	readPauseMin = 5 * time.Millisecond
	readPauseMax = time.Second

	// readBuffer is what we ask the kernel to hold while we are not reading.
	readBuffer = 1 << 20
)

// protocol is a version of discovery.
type protocol int

const (
	protocolV4 protocol = iota
	protocolV5
	protocols
	// others stands for what is neither, see Config.Sniff. It has no port.
	others = protocols
)

// mux owns the sockets. It hands what comes in to the protocol that it belongs to, bounded
// and fairly, and outlives the incarnations of the actor: a crash closes no socket.
type mux struct {
	clock    supervise.Clock
	restrict []netip.Prefix
	sniff    func(datagram []byte, from netip.AddrPort) bool // may be nil
	sockets  []*socket
	ports    [protocols]atomic.Pointer[port]
	traffic  traffic
	quit     chan struct{}
	end      sync.Once

	mu       sync.Mutex // guards what follows
	contacts *recent[netip.AddrPort]
	hosts    *recent[netip.Addr]
	patience [protocols + 1]*allowance // for strangers
	told     time.Time                 // when we last told that we were reached
}

type socket struct {
	conn    discover.UDPConn
	running atomic.Bool // its goroutine is there
}

func newMux(c Config) *mux {
	m := &mux{
		clock: c.Clock, restrict: c.NetRestrict, sniff: c.Sniff, quit: make(chan struct{}),
		contacts: newRecent[netip.AddrPort](contactSpan, contactLimit),
		hosts:    newRecent[netip.Addr](contactSpan, contactLimit),
	}
	for i := range m.patience {
		m.patience[i] = newAllowance(strangerRate, strangerBurst)
	}
	for _, conn := range c.Conns {
		m.sockets = append(m.sockets, &socket{conn: conn})
	}
	return m
}

// start sees to it that each socket is read. spawn starts a goroutine, tell sends to the
// actor.
func (m *mux) start(spawn func(func()), tell func(any)) {
	for _, s := range m.sockets {
		if !s.running.CompareAndSwap(false, true) {
			continue // the goroutine of an incarnation before
		}
		if k, ok := s.conn.(interface{ SetReadBuffer(int) error }); ok {
			if err := k.SetReadBuffer(readBuffer); err != nil {
				tell(&deaf{socket: s.name(), err: fmt.Errorf("read buffer: %w", err)})
			}
		}
		spawn(func() {
			defer s.running.Store(false)
			m.read(s, tell)
		})
	}
}

// close closes the sockets. It may be called again.
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
func (m *mux) read(s *socket, tell func(any)) {
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
			m.sort(hasher, buf[:n], netaddr.Unmap(from), tell)
		case errors.Is(err, net.ErrClosed):
			if !m.over() {
				tell(&deaf{socket: s.name(), err: err, final: true})
			}
			return
		default:
			m.traffic.failed.Add(1)
			if fails++; fails < readPatience {
				continue
			}
			if fails == readPatience {
				tell(&deaf{socket: s.name(), err: err})
			}
			if !m.pause(min(readPauseMin<<min(fails-readPatience, 10), readPauseMax)) {
				return
			}
		}
	}
}

// pause waits, unless the sockets are closed first.
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

// sort hands one packet to the port that it belongs to, or drops it, and counts which.
func (m *mux) sort(hasher crypto.KeccakState, data []byte, from netip.AddrPort, tell func(any)) {
	m.traffic.received.Add(1)
	if m.sniff != nil && stun.HasHeader(data) && m.sniffed(data, from, tell) {
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
	known, patient := m.consider(which, from, tell)
	switch {
	case to == nil:
		m.traffic.foreign.Add(1)
	case !patient:
		m.traffic.strangers.Add(1)
	case to.push(data, from, known):
		m.traffic.full.Add(1)
	}
}

// protocolOf tells v4 from v5: a v4 packet begins with the hash of its rest. v5 has
// nothing in clear, by intent; what is neither goes there and is found out cheaply.
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

// consider says whether we have written to a sender, and whether we have patience with
// him. Strangers on this machine are neighbours: nobody else can send from there.
func (m *mux) consider(which protocol, from netip.AddrPort, tell func(any)) (known, patient bool) {
	now := m.clock.Now()
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.contacts.has(from, now) {
		return true, true
	}
	if netaddr.Public(from.Addr()) && !m.hosts.has(from.Addr(), now) && now.Sub(m.told) >= reachedEvery {
		m.told = now
		tell(&reached{from: from})
	}
	return false, from.Addr().IsLoopback() || m.patience[which].take(now)
}

// write sends a packet from the socket that can reach the address.
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

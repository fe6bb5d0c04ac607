package nat

import (
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"testing"
	"time"
)

// fakeUDP is a router that speaks PCP and NAT-PMP on a loopback address of its own, with
// programmable faults.
type fakeUDP struct {
	t    *testing.T
	addr netip.Addr
	conn *net.UDPConn

	mu       sync.Mutex
	pcp      bool // speaks PCP; if false, it answers as RFC 6887 appendix A requires
	mutePCP  bool // drops PCP requests instead
	mutePMP  bool
	code     byte // result of each MAP request
	garbage  bool
	drop     int // number of datagrams to drop
	ip       [4]byte
	max      uint32 // of leases, seconds
	wrong    ExternalPort
	booted   time.Time
	maps     map[fakeKey]fakeEntry
	requests int
}

type fakeKey struct {
	protocol byte
	internal uint16
}

type fakeEntry struct {
	external uint16
	nonce    [12]byte
}

func newFakeUDP(t *testing.T, addr string) *fakeUDP {
	f := &fakeUDP{t: t, addr: netip.MustParseAddr(addr), pcp: true, ip: [4]byte{30, 10, 10, 1}, booted: time.Now().Add(-time.Hour), maps: map[fakeKey]fakeEntry{}}
	conn, err := listenUDP(f.addr)
	for tries := 0; errors.Is(err, syscall.EADDRINUSE) && tries < 20; tries++ { // the same test may run in parallel
		other := f.addr.As4()
		other[1] += 10
		f.addr = netip.AddrFrom4(other)
		conn, err = listenUDP(f.addr)
	}
	if err != nil {
		t.Fatal(err)
	}
	f.conn = conn
	done := make(chan struct{})
	go func() {
		defer close(done)
		buf := make([]byte, 2000)
		for {
			n, from, err := conn.ReadFromUDPAddrPort(buf)
			if err != nil {
				return
			}
			for _, answer := range f.serve(buf[:n]) {
				_, _ = conn.WriteToUDPAddrPort(answer, from)
			}
		}
	}()
	t.Cleanup(func() { _ = conn.Close(); <-done })
	return f
}

func listenUDP(addr netip.Addr) (*net.UDPConn, error) {
	return net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.AddrPortFrom(addr, portPMP)))
}

// set changes the router's behaviour.
func (f *fakeUDP) set(change func(f *fakeUDP)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change(f)
}

func (f *fakeUDP) mapped(p Protocol, internal InternalPort) (ExternalPort, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	e, ok := f.maps[fakeKey{p.iana(), uint16(internal)}]
	return ExternalPort(e.external), ok
}

func (f *fakeUDP) serve(b []byte) [][]byte {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.requests++
	if f.drop > 0 {
		f.drop--
		return nil
	}
	if f.garbage {
		return [][]byte{{}, {2}, {2, 0x81, 0, 0}, {0, 128, 0}, make([]byte, 999)}
	}
	epoch := uint32(time.Since(f.booted) / time.Second)
	switch {
	case len(b) >= pcpHeader && b[0] == pcpVersion && f.pcp && !f.mutePCP:
		return [][]byte{f.servePCP(b, epoch)}
	case len(b) > 0 && b[0] == pcpVersion && !f.mutePCP:
		return [][]byte{{0, b[1] | 0x80, 0, 1, 0, 0, 0, 0}}
	case len(b) >= 2 && b[0] == 0 && !f.mutePMP:
		return [][]byte{f.servePMP(b, epoch)}
	}
	return nil
}

func (f *fakeUDP) grant(k fakeKey, external uint16, life uint32, nonce [12]byte) (uint16, uint32) {
	if life == 0 {
		delete(f.maps, k)
		return 0, 0
	}
	if f.wrong != 0 {
		external = uint16(f.wrong)
	}
	if f.max != 0 {
		life = min(life, f.max)
	}
	f.maps[k] = fakeEntry{external: external, nonce: nonce}
	return external, life
}

func (f *fakeUDP) servePCP(b []byte, epoch uint32) []byte {
	a := append([]byte{pcpVersion, b[1] | 0x80, 0, f.code}, b[4:8]...)
	a = binary.BigEndian.AppendUint32(a, epoch)
	a = append(a, make([]byte, 12)...)
	if b[1] == pcpAnnounce {
		a[3] = 0
		return a
	}
	p := b[pcpHeader:]
	k := fakeKey{p[12], binary.BigEndian.Uint16(p[16:])}
	var nonce [12]byte
	copy(nonce[:], p)
	if e, ok := f.maps[k]; ok && e.nonce != nonce {
		a[3] = 2
	}
	external, life := binary.BigEndian.Uint16(p[18:]), binary.BigEndian.Uint32(b[4:])
	if a[3] == 0 {
		external, life = f.grant(k, external, life, nonce)
	}
	binary.BigEndian.PutUint32(a[4:], life)
	a = append(a, p[:18]...)
	a = binary.BigEndian.AppendUint16(a, external)
	return append16(a, netip.AddrFrom4(f.ip))
}

func (f *fakeUDP) servePMP(b []byte, epoch uint32) []byte {
	a := binary.BigEndian.AppendUint32([]byte{0, b[1] | 0x80, 0, 0}, epoch)
	if b[1] == 0 {
		return append(a, f.ip[:]...)
	}
	a[3] = f.code
	k := fakeKey{17, binary.BigEndian.Uint16(b[4:])}
	if b[1] == 2 {
		k.protocol = 6
	}
	external, life := binary.BigEndian.Uint16(b[6:]), binary.BigEndian.Uint32(b[8:])
	if f.code == 0 {
		external, life = f.grant(k, external, life, [12]byte{})
	}
	a = append(a, b[4:6]...)
	a = binary.BigEndian.AppendUint16(a, external)
	return binary.BigEndian.AppendUint32(a, life)
}

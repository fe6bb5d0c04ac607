package punch

import (
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/troupe-p2p/troupe/nat/stun"
)

// datagram is one to a [fakeSocket], or from it.
type datagram struct {
	data []byte
	at   netip.AddrPort
}

// fakeSocket is a socket that yields prepared datagrams, and records those that are sent.
type fakeSocket struct {
	mu   sync.Mutex
	in   []datagram
	out  []datagram
	once sync.Once
	read chan struct{} // closed when all were read
}

func (b *fakeSocket) ReadFrom(p []byte) (int, net.Addr, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.in) == 0 {
		b.once.Do(func() { close(b.read) })
		return 0, nil, net.ErrClosed
	}
	next := b.in[0]
	b.in = b.in[1:]
	return copy(p, next.data), net.UDPAddrFromAddrPort(next.at), nil
}

func (b *fakeSocket) WriteTo(p []byte, to net.Addr) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.out = append(b.out, datagram{append([]byte{}, p...), to.(*net.UDPAddr).AddrPort()})
	return len(p), nil
}

func (*fakeSocket) Close() error                     { return nil }
func (*fakeSocket) LocalAddr() net.Addr              { return &net.UDPAddr{Port: 50000} }
func (*fakeSocket) SetDeadline(time.Time) error      { return nil }
func (*fakeSocket) SetReadDeadline(time.Time) error  { return nil }
func (*fakeSocket) SetWriteDeadline(time.Time) error { return nil }

// The second port answers nodes that are not refused, with no more bytes than the request has, and up to a limit.
func TestSecondPort(t *testing.T) {
	banned := netip.MustParseAddr("30.6.6.6")
	v6 := func(i int) netip.Addr { return netip.AddrFrom16([16]byte{0x24, 0x08, 7: 1, 15: byte(i)}) }
	always := func(ip string) func(int) netip.Addr {
		return func(int) netip.Addr { return netip.MustParseAddr(ip) }
	}
	for _, tc := range []struct {
		name    string
		request []byte
		from    func(int) netip.Addr
		want    int // answers to 50
	}{
		{"one address", stun.PaddedRequest(token{1}), always("30.1.1.10"), 30},
		{"the same, as a dual-stack socket reports it", stun.PaddedRequest(token{1}), always("::ffff:30.1.1.10"), 30},
		{"one /64", stun.PaddedRequest(token{1}), v6, 30},
		{"a private address", stun.PaddedRequest(token{1}), always("192.168.1.2"), 0},
		{"the same, as a dual-stack socket reports it", stun.PaddedRequest(token{1}), always("::ffff:192.168.1.2"), 0},
		{"a banned address", stun.PaddedRequest(token{1}), func(int) netip.Addr { return banned }, 0},
		{"a request shorter than an answer", stun.Request(token{1}), always("30.1.1.10"), 0},
	} {
		box := &fakeSocket{read: make(chan struct{})}
		for i := range 50 {
			box.in = append(box.in, datagram{tc.request, netip.AddrPortFrom(tc.from(i), 30303)})
		}
		d := New(Config{
			OpenSecondPort: func() (net.PacketConn, error) { return box, nil },
			Refuse:         func(_ enode.ID, addr netip.Addr) bool { return addr == banned },
		})
		d.secondPort.open(d, func(f func()) { f() })
		if d.secondPort.portNumber() != 50000 {
			t.Errorf("%s: port %d, want 50000", tc.name, d.secondPort.portNumber())
		}
		<-box.read
		if len(box.out) != tc.want {
			t.Errorf("%s: %d answers, want %d", tc.name, len(box.out), tc.want)
		}
		for _, l := range box.out {
			if len(l.data) > len(tc.request) {
				t.Errorf("%s: a request of %d bytes got an answer of %d", tc.name, len(tc.request), len(l.data))
			}
		}
		d.secondPort.close()
		if d.secondPort.portNumber() != 0 {
			t.Errorf("%s: a closed port still has a number", tc.name)
		}
	}
}

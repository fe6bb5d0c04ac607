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

// letter is a datagram to a [letterbox], or from it.
type letter struct {
	data []byte
	at   netip.AddrPort
}

// letterbox is a socket that gives what it was made with, and keeps what is sent.
type letterbox struct {
	mu   sync.Mutex
	in   []letter
	out  []letter
	once sync.Once
	read chan struct{} // closes when all was given
}

func (b *letterbox) ReadFrom(p []byte) (int, net.Addr, error) {
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

func (b *letterbox) WriteTo(p []byte, to net.Addr) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.out = append(b.out, letter{append([]byte{}, p...), to.(*net.UDPAddr).AddrPort()})
	return len(p), nil
}

func (*letterbox) Close() error                     { return nil }
func (*letterbox) LocalAddr() net.Addr              { return &net.UDPAddr{Port: 50000} }
func (*letterbox) SetDeadline(time.Time) error      { return nil }
func (*letterbox) SetReadDeadline(time.Time) error  { return nil }
func (*letterbox) SetWriteDeadline(time.Time) error { return nil }

// The other port answers whom we talk to, with nothing larger than the question, and not without end.
func TestOtherPort(t *testing.T) {
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
		{"the same, as a dual-stack socket has it", stun.PaddedRequest(token{1}), always("::ffff:30.1.1.10"), 30},
		{"one /64", stun.PaddedRequest(token{1}), v6, 30},
		{"a private address", stun.PaddedRequest(token{1}), always("192.168.1.2"), 0},
		{"the same, as a dual-stack socket has it", stun.PaddedRequest(token{1}), always("::ffff:192.168.1.2"), 0},
		{"one that is banned", stun.PaddedRequest(token{1}), func(int) netip.Addr { return banned }, 0},
		{"a request that is shorter than an answer", stun.Request(token{1}), always("30.1.1.10"), 0},
	} {
		box := &letterbox{read: make(chan struct{})}
		for i := range 50 {
			box.in = append(box.in, letter{tc.request, netip.AddrPortFrom(tc.from(i), 30303)})
		}
		d := New(Config{
			OpenSecondPort: func() (net.PacketConn, error) { return box, nil },
			Refuse:         func(_ enode.ID, addr netip.Addr) bool { return addr == banned },
		})
		d.secondPort.open(d, func(f func()) { f() })
		if d.secondPort.portNumber() != 50000 {
			t.Errorf("%s: the port is %d", tc.name, d.secondPort.portNumber())
		}
		<-box.read
		if len(box.out) != tc.want {
			t.Errorf("%s: %d answers, want %d", tc.name, len(box.out), tc.want)
		}
		for _, l := range box.out {
			if len(l.data) > len(tc.request) {
				t.Errorf("%s: %d bytes get %d", tc.name, len(tc.request), len(l.data))
			}
		}
		d.secondPort.close()
		if d.secondPort.portNumber() != 0 {
			t.Errorf("%s: a closed port has a number", tc.name)
		}
	}
}

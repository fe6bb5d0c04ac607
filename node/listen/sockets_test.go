package listen_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"syscall"
	"testing"

	"github.com/troupe-p2p/troupe/node/listen"
)

// TestFirstCause: Open tries more port numbers, and its error is that of the first try, whatever
// the others met.
func TestFirstCause(t *testing.T) {
	first, second := netip.MustParseAddrPort("127.0.0.1:0"), netip.MustParseAddrPort("127.0.0.2:0")
	tries := 0
	_, err := listen.Open(t.Context(), listen.SocketConfig{
		Addrs: []netip.AddrPort{first, second}, Logger: slog.New(slog.DiscardHandler),
		TCP: func(ctx context.Context, on netip.AddrPort) (net.Listener, error) {
			if on.Addr() == first.Addr() {
				return listen.TCP(ctx, on)
			}
			if tries++; tries == 1 {
				return nil, fmt.Errorf("bind: %w", syscall.EACCES)
			}
			return nil, fmt.Errorf("bind: %w", syscall.EADDRINUSE)
		},
	})
	if tries < 2 || !errors.Is(err, syscall.EACCES) {
		t.Errorf("after %d tries: %v; want the first error, %v", tries, err, syscall.EACCES)
	}
}

// TestNamesOfAddresses: an error says where the node wanted to listen, also where it has no one address.
func TestNamesOfAddresses(t *testing.T) {
	for _, tt := range []struct {
		on   netip.AddrPort
		want string
	}{
		{netip.AddrPortFrom(netip.Addr{}, 30303), "listen on port 30303 of all addresses: no"},
		{netip.MustParseAddrPort("127.0.0.1:30303"), "listen on 127.0.0.1:30303: no"},
	} {
		_, err := listen.Open(t.Context(), listen.SocketConfig{
			Addrs: []netip.AddrPort{tt.on}, Logger: slog.New(slog.DiscardHandler),
			TCP: func(context.Context, netip.AddrPort) (net.Listener, error) { return nil, errors.New("no") },
		})
		if err == nil || err.Error() != tt.want {
			t.Errorf("%v: error %v, want %s", tt.on, err, tt.want)
		}
	}
}

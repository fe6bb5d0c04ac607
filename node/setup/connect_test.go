package setup

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"testing"

	"github.com/troupe-p2p/troupe/node/nodetest/fixture"
	"github.com/troupe-p2p/troupe/node/refusal"
)

// The error of a dial to several addresses is 'not allowed' only if none of them is allowed:
// otherwise the node was dialed, and hole punching may reach it.
func TestConnectTellsWhatFailed(t *testing.T) {
	refused := errors.New("connection refused")
	allowed, forbidden := netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("192.0.2.1")
	for name, tt := range map[string]struct {
		addrs      []netip.Addr
		notAllowed bool
		says       string
	}{
		"none allowed":    {[]netip.Addr{forbidden}, true, "192.0.2.1:30303: address not in the allowed networks"},
		"one allowed":     {[]netip.Addr{forbidden, allowed}, false, "connection refused\n192.0.2.1:30303: address not in the allowed networks"},
		"the other order": {[]netip.Addr{allowed, forbidden}, false, "connection refused\n192.0.2.1:30303: address not in the allowed networks"},
	} {
		c := Connector{
			Dial:     func(context.Context, netip.AddrPort) (net.Conn, error) { return nil, refused },
			Lookup:   func(context.Context, string) ([]netip.Addr, error) { return tt.addrs, nil },
			Networks: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")},
		}
		_, err := c.Connect(t.Context(), fixture.NodeAt(t, "203.0.113.1:30303").WithHostname("example.org"))
		if err == nil || err.Error() != tt.says || errors.Is(err, refusal.ErrNotAllowed) != tt.notAllowed {
			t.Errorf("%s: %v", name, err)
		}
	}
}

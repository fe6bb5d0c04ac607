package peers

import (
	"errors"
	"net/netip"
	"testing"

	"github.com/troupe-p2p/troupe/node/refusal"
)

func TestShares(t *testing.T) {
	tests := []struct {
		name   string
		host   int
		net    int
		there  []string
		next   string
		refuse error
	}{
		{name: "first", host: 1, net: 1, next: "203.0.113.1"},
		{name: "host is full", host: 2, net: 9, there: []string{"203.0.113.1", "203.0.113.1"}, next: "203.0.113.1", refuse: refusal.ErrCrowdedHost},
		{name: "next host", host: 2, net: 9, there: []string{"203.0.113.1", "203.0.113.1"}, next: "203.0.113.2"},
		{name: "network is full", host: 1, net: 2, there: []string{"203.0.113.1", "203.0.113.2"}, next: "203.0.113.3", refuse: refusal.ErrCrowdedNetwork},
		{name: "next network", host: 1, net: 2, there: []string{"203.0.113.1", "203.0.113.2"}, next: "203.0.114.3"},
		{name: "an IPv6 host is a /64", host: 1, net: 9, there: []string{"2001:db8::1"}, next: "2001:db8::2", refuse: refusal.ErrCrowdedHost},
		{name: "next /64", host: 1, net: 9, there: []string{"2001:db8::1"}, next: "2001:db8:0:1::1"},
		{name: "an IPv6 network is a /48", host: 1, net: 2, there: []string{"2001:db8::1", "2001:db8:0:1::1"}, next: "2001:db8:0:2::1", refuse: refusal.ErrCrowdedNetwork},
		{name: "next /48", host: 1, net: 2, there: []string{"2001:db8::1", "2001:db8:0:1::1"}, next: "2001:db8:1::1"},
		{name: "loopback is exempt", host: 1, net: 1, there: []string{"127.0.0.1", "127.0.0.1"}, next: "127.0.0.1"},
		{name: "IPv6 loopback is exempt", host: 1, net: 1, there: []string{"::1"}, next: "::1"},
		{name: "a private network is exempt", host: 1, net: 1, there: []string{"192.168.1.4"}, next: "192.168.1.4"},
		{name: "a unique local address is exempt", host: 1, net: 1, there: []string{"fd00::1"}, next: "fd00::1"},
		{name: "an overlay network is exempt", host: 1, net: 1, there: []string{"100.101.102.103"}, next: "100.101.102.103"},
		{name: "link-local is exempt", host: 1, net: 1, there: []string{"fe80::1%eth0"}, next: "fe80::1%eth0"},
		{name: "no limits", there: []string{"203.0.113.1", "203.0.113.1"}, next: "203.0.113.1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := shares{perHost: tt.host, perNetwork: tt.net}
			for _, a := range tt.there {
				h.add(netip.MustParseAddr(a))
			}
			addr := netip.MustParseAddr(tt.next)
			if err := h.refuse(addr); !errors.Is(err, tt.refuse) || tt.refuse == nil && err != nil {
				t.Errorf("got %v, want %v", err, tt.refuse)
			}
			for _, a := range tt.there {
				h.remove(netip.MustParseAddr(a))
			}
			if len(h.count) != 0 {
				t.Errorf("counts after all peers were removed: %v", h.count)
			}
			if err := h.refuse(addr); err != nil {
				t.Errorf("after all peers were removed: %v", err)
			}
		})
	}
	var h shares
	h.add(netip.Addr{})
	h.remove(netip.Addr{})
	if err := h.refuse(netip.Addr{}); err != nil || len(h.count) != 0 {
		t.Errorf("a connection without an address: %v, counts %v", err, h.count)
	}
}

func TestSharesOfATable(t *testing.T) {
	for _, tt := range []struct{ peers, host, network int }{{0, 2, 2}, {5, 2, 2}, {25, 2, 5}, {50, 5, 10}, {1000, 100, 200}} {
		if host, network := SharesFor(tt.peers); host != tt.host || network != tt.network {
			t.Errorf("limit of %d peers: %d per host, %d per network, want %d and %d", tt.peers, host, network, tt.host, tt.network)
		}
	}
}

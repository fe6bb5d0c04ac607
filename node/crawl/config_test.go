package crawl

import (
	"net"
	"net/netip"
	"testing"

	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/troupe-p2p/troupe/node/nodetest/fixture"
)

func TestConfigLocal(t *testing.T) {
	for ip, want := range map[string]bool{
		"": false, "30.1.2.3": false, "192.0.2.1": false, "10.1.2.3": true, "127.0.0.1": true, "::1": true, "100.64.0.1": true,
	} {
		var at net.IP // none: the bootnode has a name instead
		if ip != "" {
			at = netip.MustParseAddr(ip).AsSlice()
		}
		var c Config
		c.Network.Bootnodes = []*enode.Node{enode.NewV4(&fixture.Key(t).PublicKey, at, 30303, 30303).WithHostname("node.example")}
		if got := c.local(); got != want {
			t.Errorf("a bootnode at %q makes the crawl local: %v, want %v", ip, got, want)
		}
	}
}

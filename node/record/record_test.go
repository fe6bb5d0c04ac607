package record

import (
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/troupe-p2p/troupe/node/nodetest/fixture"
)

func TestRecordChangesOnlyWithContent(t *testing.T) {
	var previous *enode.Node
	key, err := crypto.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	start := time.UnixMilli(1_700_000_000_000)
	home := endpoint{ip4: netip.MustParseAddr("127.0.0.1"), tcp4: 30303}
	moved := endpoint{ip4: netip.MustParseAddr("203.0.113.9"), tcp4: 30303}
	first := uint64(start.UnixMilli())
	steps := []struct {
		name    string
		at      endpoint
		wantSeq uint64
	}{
		{"first start", home, first},
		{"again", home, first},
		{"new address", moved, first + 1},
		{"again", moved, first + 1},
		{"first address again", home, first + 2},
	}
	for i, step := range steps {
		n, err := after(previous, key, step.at.entries(), start.Add(time.Duration(i)*time.Hour))
		if err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		if n.Seq() != step.wantSeq {
			t.Errorf("%s: sequence number %d, want %d", step.name, n.Seq(), step.wantSeq)
		}
		if n.IPAddr() != step.at.ip4 || n.TCP() != 30303 || n.ID() != enode.PubkeyToIDV4(&key.PublicKey) {
			t.Errorf("%s: %v", step.name, n)
		}
		previous = n
	}
}

func TestRecordOfAnotherKeyOrNone(t *testing.T) {
	dir := t.TempDir()
	now := time.UnixMilli(1_700_000_000_000)
	for _, before := range []string{"garbage", "enr:AAAA", ""} {
		if err := os.WriteFile(filepath.Join(dir, recordFile), []byte(before), 0o600); err != nil {
			t.Fatal(err)
		}
		key, err := crypto.GenerateKey()
		if err != nil {
			t.Fatal(err)
		}
		previous, unreadable := last(dir)
		if unreadable == nil {
			t.Errorf("%q is accepted as a record", before)
		}
		n, err := after(previous, key, endpoint{tcp4: 1}.entries(), now)
		if err != nil {
			t.Fatal(err)
		}
		if n.Seq() != uint64(now.UnixMilli()) {
			t.Errorf("%q: sequence number %d", before, n.Seq())
		}
	}
	other := fixture.Key(t)
	previous, err := sign(fixture.Key(t), endpoint{tcp4: 1}.entries(), uint64(now.UnixMilli()))
	if err != nil {
		t.Fatal(err)
	}
	n, err := after(previous, other, endpoint{tcp4: 1}.entries(), now.Add(time.Second))
	if err != nil {
		t.Fatal(err)
	}
	if n.ID() != enode.PubkeyToIDV4(&other.PublicKey) {
		t.Error("the record of another key was kept")
	}
}

func TestEndpointEntries(t *testing.T) {
	v4, v6 := netip.MustParseAddr("203.0.113.9"), netip.MustParseAddr("2001:db8::9")
	tests := []struct {
		name             string
		e                endpoint
		tcp4, tcp6       uint16
		wantIP           netip.Addr
		wantTCP, wantUDP int
	}{
		{name: "IPv4", e: endpoint{ip4: v4, tcp4: 7}, wantIP: v4, wantTCP: 7},
		{name: "IPv6", e: endpoint{ip6: v6, tcp6: 8}, wantIP: v6, wantTCP: 8},
		{name: "both, one port", e: endpoint{ip4: v4, tcp4: 7, ip6: v6, tcp6: 7}, wantIP: v4, wantTCP: 7},
		{name: "not listening", e: endpoint{}, wantTCP: 0},
	}
	key, err := crypto.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			n, err := sign(key, tt.e.entries(), 1)
			if err != nil {
				t.Fatal(err)
			}
			if n.IPAddr() != tt.wantIP || n.TCP() != tt.wantTCP || n.UDP() != 0 {
				t.Errorf("%v:%d udp %d, want %v:%d and no UDP", n.IPAddr(), n.TCP(), n.UDP(), tt.wantIP, tt.wantTCP)
			}
		})
	}
}

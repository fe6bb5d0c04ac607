package crawl

import (
	"crypto/ecdsa"
	"testing"

	"github.com/ethereum/go-ethereum/p2p/enode"
	"github.com/ethereum/go-ethereum/p2p/enr"
	"github.com/ethereum/go-ethereum/rlp"

	"github.com/troupe-p2p/troupe/node/nodetest/fixture"
)

// TestForkNames: mainnet's hashes are those of EIP-2124 and of later forks' EIPs.
func TestForkNames(t *testing.T) {
	names := ForkNames()
	for hash, want := range map[[4]byte]string{
		{0xfc, 0x64, 0xec, 0x04}: "mainnet genesis",
		{0x97, 0xc2, 0xc3, 0x4c}: "mainnet Homestead",
		{0x91, 0xd1, 0xf9, 0x48}: "mainnet DAOFork",
		{0x7a, 0x64, 0xda, 0x13}: "mainnet EIP150",
		{0x3e, 0xdd, 0x5b, 0x10}: "mainnet EIP155",
		{0xa0, 0x0b, 0xc3, 0x24}: "mainnet Byzantium",
		{0x66, 0x8d, 0xb0, 0xaf}: "mainnet Constantinople",
		{0x87, 0x9d, 0x6e, 0x30}: "mainnet Istanbul",
		{0xe0, 0x29, 0xe9, 0x91}: "mainnet MuirGlacier",
		{0xdc, 0xe9, 0x6c, 0x2d}: "mainnet Shanghai",
		{0x9f, 0x3d, 0x22, 0x54}: "mainnet Cancun",
		{0xc3, 0x76, 0xcf, 0x8b}: "mainnet Prague",
	} {
		if names[hash] != want {
			t.Errorf("%x: got %q, want %q", hash, names[hash], want)
		}
	}
}

// signedNode makes a node with entries in its record.
func signedNode(t testing.TB, key *ecdsa.PrivateKey, entries ...enr.Entry) *enode.Node {
	t.Helper()
	var r enr.Record
	r.SetSeq(1)
	for _, e := range entries {
		r.Set(e)
	}
	if err := enode.SignV4(&r, key); err != nil {
		t.Fatal(err)
	}
	n, err := enode.New(enode.ValidSchemes, &r)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestForkOf(t *testing.T) {
	id := ForkID{Hash: [4]byte{1, 2, 3, 4}, Next: 1 << 63}
	more, err := rlp.EncodeToBytes("later")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name      string
		entries   []enr.Entry
		ok        bool
		consensus bool
	}{
		{"nothing", nil, false, false},
		{"eth", []enr.Entry{ethEntry{ForkID: id}}, true, false},
		{"more in it", []enr.Entry{ethEntry{ForkID: id, Rest: []rlp.RawValue{more}}}, true, false},
		{"garbage", []enr.Entry{enr.WithEntry("eth", "garbage")}, false, false},
		{"consensus", []enr.Entry{enr.WithEntry("eth2", []byte{1, 2, 3})}, false, true},
		{"both", []enr.Entry{ethEntry{ForkID: id}, enr.WithEntry("eth2", []byte{1})}, true, false},
	} {
		n := signedNode(t, fixture.Key(t), tt.entries...)
		got, ok := forkOf(n)
		if ok != tt.ok || ok && got != id {
			t.Errorf("%s: got %v, %v", tt.name, got, ok)
		}
		if c := consensusOnly(n); c != tt.consensus {
			t.Errorf("%s: consensus %v", tt.name, c)
		}
	}
}

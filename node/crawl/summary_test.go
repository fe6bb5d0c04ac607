package crawl

import (
	"fmt"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/p2p/enr"

	"github.com/troupe-p2p/troupe/wire"
)

func TestSummaryOfDatabase(t *testing.T) {
	s := newStore(t, filepath.Join(t.TempDir(), "crawl.db"))
	busy := wire.DiscTooManyPeers
	prague := ethEntry{ForkID: ForkID{Hash: [4]byte{0xc3, 0x76, 0xcf, 0x8b}, Next: 7}}
	other := ethEntry{ForkID: ForkID{Hash: [4]byte{1, 2, 3, 4}}}
	eth := []wire.Cap{{Name: "eth", Version: 68}, {Name: "eth", Version: 69}}
	for i, visit := range []report{
		{outcome: Answered, hello: &wire.Hello{Name: "Geth/v1.17.10-stable-1a2b3c4d/linux-amd64/go1.26", Caps: eth}},
		{outcome: Answered, hello: &wire.Hello{Name: "Geth/mine/v1.17.10-stable-ffffffff/linux-amd64/go1.26", Caps: eth[1:]}},
		{outcome: Refused, reason: &busy, hello: &wire.Hello{Name: "reth/v1.6.0-48941e6/x86_64", Caps: eth}},
		{outcome: Refused, reason: &busy, hello: nil},
		{outcome: Closed, hello: &wire.Hello{}},
		{outcome: Timeout},
	} {
		var entries []enr.Entry
		if i < 3 {
			entries = append(entries, prague)
		} else if i == 3 {
			entries = append(entries, other)
		}
		visit.node, visit.at = record4(t, fmt.Sprintf("192.0.2.%d", i+1), entries...), start
		s.put(t, finding{node: visit.node, source: "v5", at: start, news: true}, visit)
	}
	s.put(t, finding{node: record4(t, "192.0.2.99", enr.WithEntry("eth2", []byte{1})), source: "v5", at: start, news: true})
	got, err := s.summary()
	if err != nil {
		t.Fatal(err)
	}
	want := Summary{
		Known: 7, Consensus: 1, Visited: 6, Alive: 5,
		Outcomes:     []Count{{"answered", 2}, {"refused", 2}, {"closed", 1}, {"timeout", 1}},
		Reasons:      []Count{{"too many peers", 2}},
		Clients:      []Count{{"Geth", 2}, {"(no name)", 1}, {"reth", 1}},
		Versions:     []Count{{"Geth v1.17.10-stable", 2}, {"(no name)", 1}, {"reth v1.6.0", 1}},
		Capabilities: []Count{{"eth/69", 3}, {"eth/68", 2}},
		ForkIDs:      []Count{{"0xc376cf8b next 7 (mainnet Prague)", 3}, {"0x01020304 next 0", 1}},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%+v\nwant\n%+v", got, want)
	}
}

func TestSummaryPrint(t *testing.T) {
	var many []Count
	for i := range 20 {
		many = append(many, Count{fmt.Sprintf("c%02d", i), 1})
	}
	for _, tt := range []struct {
		name string
		sum  Summary
		want string
	}{
		{"empty", Summary{}, "0 nodes known, 0 of them consensus clients; 0 visited, 0 alive\n"},
		{
			"one table",
			Summary{Known: 3, Visited: 3, Alive: 2, Clients: []Count{{"Geth", 1}, {"a very long\x1b name", 1}}},
			"3 nodes known, 0 of them consensus clients; 3 visited, 2 alive\n\n" +
				"CLIENT            NODES  SHARE\n" +
				"Geth              1      50.0 %\n" +
				"a very long name  1      50.0 %\n",
		},
		{
			"sixteen fit", Summary{Alive: 16, Clients: many[:16]},
			"c15     1      6.2 %\n",
		},
		{
			"seventeen don't", Summary{Alive: 17, Clients: many[:17]},
			"c14         1      5.9 %\n(2 others)  2      \n",
		},
	} {
		var b strings.Builder
		if err := tt.sum.Print(&b); err != nil || !strings.HasSuffix(b.String(), tt.want) {
			t.Errorf("%s: %v, got\n%s\nwant this end:\n%s", tt.name, err, &b, tt.want)
		}
	}
}

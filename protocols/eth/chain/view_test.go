package chain_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/forkid"
	"github.com/ethereum/go-ethereum/params"

	"github.com/troupe-p2p/troupe/protocols/eth/chain"
	"github.com/troupe-p2p/troupe/protocols/eth/ethtest"
)

func network(t *testing.T, name string) *chain.Network {
	t.Helper()
	n, err := chain.PublicNetwork(name)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func at(seconds uint64) func() time.Time {
	return func() time.Time { return time.Unix(int64(seconds), 0) }
}

func TestPublicNetworks(t *testing.T) {
	for name, want := range map[string]struct {
		id      uint64
		genesis common.Hash
	}{
		"mainnet": {1, params.MainnetGenesisHash},
		"sepolia": {11155111, params.SepoliaGenesisHash},
		"hoodi":   {560048, params.HoodiGenesisHash},
	} {
		n := network(t, name)
		if n.ID != want.id || n.Genesis.Hash() != want.genesis || !n.Public {
			t.Errorf("%s: ID %d, genesis %v", name, n.ID, n.Genesis.Hash())
		}
	}
	if _, err := chain.PublicNetwork("ropsten"); err == nil {
		t.Error("ropsten is a public network")
	}
}

func TestReadGenesis(t *testing.T) {
	n, err := chain.ReadGenesis(ethtest.Chain(t, "genesis.json"))
	if err != nil {
		t.Fatal(err)
	}
	if n.Public || n.ID != n.Config.ChainID.Uint64() || n.Genesis.NumberU64() != 0 {
		t.Errorf("%+v", n)
	}
	if _, err := chain.ReadGenesis(ethtest.Chain(t, "headblock.json")); err == nil {
		t.Error("a header is a genesis")
	}
}

// TestForkID: the clock decides on forks by time, also while the head lags or is not known.
func TestForkID(t *testing.T) {
	const (
		merged = 15_537_394
		cancun = 1710338135
		prague = 1746612311
	)
	for _, c := range []struct {
		name string
		now  uint64
		head chain.Block
		want string // hash and next; EIP-2124 and go-ethereum's test vectors
	}{
		{"no head, before Cancun", cancun - 1, chain.Block{}, fmt.Sprintf("dce96c2d %d", uint64(cancun))},
		{"no head, at Cancun", cancun, chain.Block{}, fmt.Sprintf("9f3d2254 %d", uint64(prague))},
		{"a head that lags", cancun, chain.Block{Number: merged, Hash: common.Hash{1}, Time: 1}, fmt.Sprintf("9f3d2254 %d", uint64(prague))},
		{"a clock that lags", 1, chain.Block{Number: 19426588, Hash: common.Hash{1}, Time: cancun}, fmt.Sprintf("9f3d2254 %d", uint64(prague))},
		{"a head in Frontier", 1, chain.Block{Number: 1149999, Hash: common.Hash{1}}, "fc64ec04 1150000"},
	} {
		v := chain.NewView(network(t, "mainnet"), at(c.now))
		if c.head.Hash != (common.Hash{}) {
			v.Set(c.head, 0)
		}
		id := v.ForkID()
		if got := fmt.Sprintf("%x %d", id.Hash, id.Next); got != c.want {
			t.Errorf("%s: fork id %s, want %s", c.name, got, c.want)
		}
		if err := v.CheckForkID(id); err != nil {
			t.Errorf("%s: its own fork id is refused: %v", c.name, err)
		}
	}
}

func TestCheckForkID(t *testing.T) {
	v := chain.NewView(network(t, "mainnet"), at(1710338135))
	hash := func(a, b, c, d byte) [4]byte { return [4]byte{a, b, c, d} }
	for _, c := range []struct {
		name string
		id   forkid.ID
		want error
	}{
		{"the same", v.ForkID(), nil},
		{"syncing, knows the next", forkid.ID{Hash: hash(0xdc, 0xe9, 0x6c, 0x2d), Next: 1710338135}, nil},
		{"has missed a fork", forkid.ID{Hash: hash(0xdc, 0xe9, 0x6c, 0x2d)}, forkid.ErrRemoteStale},
		{"another chain", forkid.ID{Hash: hash(1, 2, 3, 4)}, forkid.ErrLocalIncompatibleOrStale},
	} {
		if err := v.CheckForkID(c.id); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
}

func TestRange(t *testing.T) {
	n := network(t, "sepolia")
	v := chain.NewView(n, at(0))
	if got, want := v.Range(), (chain.Range{LatestHash: n.Genesis.Hash()}); got != want {
		t.Errorf("before a head is known: %+v, want %+v", got, want)
	}
	v.Set(chain.Block{Number: 100, Hash: common.Hash{1}}, 40)
	if got, want := v.Range(), (chain.Range{Earliest: 40, Latest: 100, LatestHash: common.Hash{1}}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	v.Set(chain.Block{Number: 100, Hash: common.Hash{1}}, 101)
	if err := v.Range().Check(); err != nil {
		t.Error(err)
	}
	for _, r := range []chain.Range{{Earliest: 2, Latest: 1, LatestHash: common.Hash{1}}, {Latest: 1}} {
		if err := r.Check(); !errors.Is(err, chain.ErrRange) {
			t.Errorf("%+v: %v", r, err)
		}
	}
}

package eth_test

import (
	"errors"
	"math/big"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/forkid"

	"github.com/troupe-p2p/troupe/protocols"
	"github.com/troupe-p2p/troupe/protocols/eth"
	"github.com/troupe-p2p/troupe/protocols/eth/chain"
	"github.com/troupe-p2p/troupe/protocols/protocoltest"
)

// byHandStatus is a remote that sends its status by hand.
func byHandStatus(cfg eth.Config) protocols.Spec {
	spec := eth.New(cfg).Spec()
	for i := range spec.Versions {
		spec.Versions[i].Handshake = nil
	}
	return protocoltest.ByHand(spec)
}

// TestRefusedStatuses: each reason to refuse a status has its own cause, in all versions.
func TestRefusedStatuses(t *testing.T) {
	sepolia, err := chain.PublicNetwork("sepolia")
	if err != nil {
		t.Fatal(err)
	}
	genesis := sepolia.Genesis.Hash()
	// The first fork of Sepolia by time is Shanghai; a node that announces none after the Merge
	// has missed it.
	stale := forkid.ID{Hash: [4]byte{0xb9, 0x6c, 0xbd, 0x13}}
	now := forkid.NewID(sepolia.Config, sepolia.Genesis, 1<<40, 1<<40)
	for _, version := range eth.Versions() {
		good := eth.Status{Version: uint64(version), NetworkID: sepolia.ID, Genesis: genesis, ForkID: now, LatestHash: genesis}
		for name, c := range map[string]struct {
			spoil func(*eth.Status)
			want  error
		}{
			"network": {func(s *eth.Status) { s.NetworkID = 1 }, eth.ErrNetwork},
			"version": {func(s *eth.Status) { s.Version = 67 }, eth.ErrVersion},
			"genesis": {func(s *eth.Status) { s.Genesis = common.Hash{1} }, eth.ErrGenesis},
			"stale":   {func(s *eth.Status) { s.ForkID = stale }, eth.ErrForkStale},
			"foreign": {func(s *eth.Status) { s.ForkID.Hash = [4]byte{1} }, eth.ErrForkForeign},
			"range":   {func(s *eth.Status) { s.Earliest = 1 }, chain.ErrRange},
			"hash":    {func(s *eth.Status) { s.LatestHash = common.Hash{} }, chain.ErrRange},
		} {
			if version == 68 && errors.Is(c.want, chain.ErrRange) {
				continue // eth/68 has no range
			}
			cfg := eth.Config{Chain: sepolia, Versions: []uint{version}}
			p := protocoltest.NewPair(t, eth.New(cfg).Spec(), byHandStatus(cfg))
			theirs := good
			c.spoil(&theirs)
			var msg any = &theirs
			if version == 68 {
				msg = &eth.Status68{
					Version: theirs.Version, NetworkID: theirs.NetworkID, TotalDifficulty: new(big.Int),
					Head: theirs.LatestHash, Genesis: theirs.Genesis, ForkID: theirs.ForkID,
				}
			}
			if err := p.B.Send(msg); err != nil {
				t.Fatal(err)
			}
			if cause := p.A.Wait(); !errors.Is(cause, c.want) || cause.Side != protocols.Local {
				t.Errorf("eth/%d, wrong %s: the link ended with %v, want %v", version, name, cause, c.want)
			}
			p.Close()
		}
	}
}

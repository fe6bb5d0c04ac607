package eth_test

import (
	"testing"
	"time"

	"github.com/troupe-p2p/troupe/protocols"
	"github.com/troupe-p2p/troupe/protocols/eth"
	"github.com/troupe-p2p/troupe/protocols/eth/ethtest"
	"github.com/troupe-p2p/troupe/protocols/protocoltest"
)

// TestFilesAreIndexed: a node that is given files serves them, and tells its peers.
func TestFilesAreIndexed(t *testing.T) {
	cfg := eth.Config{Genesis: ethtest.Chain(t, "genesis.json"), Versions: []uint{69}}
	client := eth.New(cfg).Spec()
	cfg.History = []string{ethtest.Chain(t, "chain.rlp"), "history/testdata"}
	p := protocoltest.NewPair(t, eth.New(cfg).Spec(), protocoltest.ByHand(client))
	s := protocols.StatusOf[eth.Status](p.B.Link)
	t.Log(s.Latest)
	if s.Latest != 600 {
		u := protocoltest.Next[eth.BlockRangeUpdate](p.B)
		t.Log(u)
	}
	time.Sleep(0)
}

package eth_test

import (
	"math/big"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/rlp"

	"github.com/troupe-p2p/troupe/actors/actortest"
	"github.com/troupe-p2p/troupe/node"
	"github.com/troupe-p2p/troupe/node/nodetest"
	"github.com/troupe-p2p/troupe/protocols"
	"github.com/troupe-p2p/troupe/protocols/eth"
	"github.com/troupe-p2p/troupe/protocols/eth/chain"
	"github.com/troupe-p2p/troupe/protocols/eth/ethtest"
)

// invented is a chain of empty blocks that goes on from no other.
type invented struct {
	headers [][]byte
	numbers map[common.Hash]uint64
}

func invent(t *testing.T, count uint64) *invented {
	t.Helper()
	s := &invented{numbers: map[common.Hash]uint64{}}
	h := types.Header{
		ParentHash: common.Hash{1}, UncleHash: types.EmptyUncleHash, TxHash: types.EmptyTxsHash, ReceiptHash: types.EmptyReceiptsHash,
		Difficulty: new(big.Int),
	}
	for n := range count {
		h.Number, h.Time = new(big.Int).SetUint64(n), 12*n
		b, err := rlp.EncodeToBytes(&h)
		if err != nil {
			t.Fatal(err)
		}
		h.ParentHash = h.Hash()
		s.headers = append(s.headers, b)
		s.numbers[h.ParentHash] = n
	}
	return s
}

func (s *invented) Number(hash common.Hash) (number uint64, ok bool) {
	number, ok = s.numbers[hash]
	return number, ok
}

func (s *invented) Read(p chain.Part, n uint64) ([]byte, error) {
	if n >= uint64(len(s.headers)) {
		return nil, chain.ErrAbsent
	}
	switch p {
	case chain.Header:
		return s.headers[n], nil
	case chain.Body:
		return []byte{0xc2, 0xc0, 0xc0}, nil
	case chain.Receipts:
		return []byte{0xc0}, nil
	}
	return nil, chain.ErrAbsent
}

func (s *invented) Side(common.Hash) ([]byte, bool) { return nil, false }

// TestFillWritesNoInventedChain: peers in three networks agree on a long chain that does not go on from the files. None of
// its epochs gets into a file.
func TestFillWritesNoInventedChain(t *testing.T) {
	const last = 2*8192 + 100
	inFilling(t, 0, func(t *testing.T, w *filling) {
		w.download(101)
		s := invent(t, last+1)
		hash := common.Hash{}
		for h, n := range s.numbers {
			if n == last {
				hash = h
			}
		}
		w.nodes = nil
		for i := range byte(3) {
			e := w.serveAt(netip.AddrFrom4([4]byte{10, 2, i, 1}), eth.Config{Source: s})
			e.View().Set(chain.Block{Number: last, Hash: hash}, 0)
		}
		w.begin()
		actortest.After(3 * time.Minute)
		if r := w.side.View().Range(); r.Latest != last {
			t.Errorf("the node does not follow them: %+v", r)
		}
		if len(w.log.Lines("not of the chain of the target")) == 0 {
			t.Errorf("the chain is not refused:\n%s", w.errors())
		}
		files, err := filepath.Glob(filepath.Join(w.dir, "*.ere"))
		if err != nil || len(files) != 1 {
			t.Errorf("%v, %v", files, err)
		}
	})
}

// TestDownloadBesideNewFiles: a download goes on when the node gets files with headers of the blocks it asks for.
func TestDownloadBesideNewFiles(t *testing.T) {
	file, err := os.ReadFile(ethtest.Chain(t, "chain.rlp"))
	if err != nil {
		t.Fatal(err)
	}
	inMarket(t, func(m *market) {
		have, dir := m.TempDir(), m.TempDir()
		if err := os.WriteFile(filepath.Join(have, "chain.rlp"), file, 0o600); err != nil {
			m.Fatal(err)
		}
		// The archive tries this one for half a minute; then it says that the files have changed.
		if err := os.Symlink(filepath.Join(have, "none"), filepath.Join(have, "z.ere")); err != nil {
			m.Fatal(err)
		}
		p := m.provide(&provider{}, 70)
		m.side = eth.New(eth.Config{Chain: m.network, History: []string{have}})
		m.node = nodetest.Start(m.T, func(c *node.Config) {
			m.world.Attach(c, host(0))
			c.Specs, c.Logger = []protocols.Spec{m.side.Spec()}, new(nodetest.Log).Logger()
		})
		if err := m.node.AddPeer(p.node.Self()); err != nil {
			m.Fatal(err)
		}
		actortest.After(30 * time.Second)
		m.world.SetLatency(100 * time.Millisecond)
		if p, err := m.side.Download(m.Context(), eth.Download{Dir: dir, To: hashOf(m.T, m.files, 600)}); err != nil {
			m.Fatalf("%+v, %v", p, err)
		}
		m.isExported(dir)
	})
}

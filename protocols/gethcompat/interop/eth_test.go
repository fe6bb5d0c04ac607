package interop

import (
	"errors"
	"fmt"
	"math/big"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/consensus/beacon"
	"github.com/ethereum/go-ethereum/consensus/ethash"
	"github.com/ethereum/go-ethereum/core"
	"github.com/ethereum/go-ethereum/core/rawdb"
	"github.com/ethereum/go-ethereum/core/txpool"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/crypto/kzg4844"
	"github.com/ethereum/go-ethereum/eth/protocols/eth"
	"github.com/ethereum/go-ethereum/p2p"
	"github.com/ethereum/go-ethereum/p2p/enode"
	"github.com/ethereum/go-ethereum/params"
	"github.com/ethereum/go-ethereum/trie"

	"github.com/troupe-p2p/troupe/actors/actortest"
	"github.com/troupe-p2p/troupe/node"
	"github.com/troupe-p2p/troupe/node/nodetest"
	"github.com/troupe-p2p/troupe/node/nodetest/fixture"
	"github.com/troupe-p2p/troupe/protocols/gethcompat"
)

const (
	networkID = 4242
	length    = 96 // blocks after the genesis
	patience  = time.Minute
)

// world is a chain whose genesis both nodes know.
type world struct {
	genesis *core.Genesis
	blocks  []*types.Block
}

// newWorld makes blocks with a megabyte of transactions.
func newWorld(t *testing.T) *world {
	t.Helper()
	key := fixture.Key(t)
	from := crypto.PubkeyToAddress(key.PublicKey)
	w := &world{genesis: &core.Genesis{
		Config: params.TestChainConfig, Difficulty: common.Big0, GasLimit: 30_000_000,
		Alloc: types.GenesisAlloc{from: {Balance: new(big.Int).Lsh(common.Big1, 100)}},
	}}
	signer := types.LatestSigner(w.genesis.Config)
	_, w.blocks, _ = core.GenerateChainWithGenesis(w.genesis, engine(), length, func(i int, b *core.BlockGen) {
		tx, err := types.SignNewTx(key, signer, &types.LegacyTx{
			Nonce: b.TxNonce(from), To: &common.Address{1}, Gas: 1_000_000, GasPrice: b.BaseFee(),
			Data: make([]byte, 10_000+i),
		})
		if err != nil {
			t.Error(err)
			return
		}
		b.AddTx(tx)
	})
	return w
}

func engine() *beacon.Beacon { return beacon.New(ethash.NewFaker()) }

// chain returns a new database that has the first have blocks.
func (w *world) chain(t *testing.T, have int) *core.BlockChain {
	t.Helper()
	chain, err := core.NewBlockChain(rawdb.NewMemoryDatabase(), w.genesis, engine(), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(chain.Stop)
	if _, err := chain.InsertChain(w.blocks[:have]); err != nil {
		t.Fatal(err)
	}
	return chain
}

// noTxs is an empty transaction pool.
type noTxs struct{}

func (noTxs) Get(common.Hash) *types.Transaction { return nil }
func (noTxs) GetRLP(common.Hash, uint) []byte    { return nil }

func (noTxs) GetMetadata(common.Hash) *txpool.TxMetadata { return nil }

// noBlobs is an empty blob pool.
type noBlobs struct{}

func (noBlobs) GetBlobHashes(common.Hash) []common.Hash     { return nil }
func (noBlobs) GetCustody(common.Hash) *types.CustodyBitmap { return nil }
func (noBlobs) Has(common.Hash) bool                        { return false }
func (noBlobs) GetBlobCells([]common.Hash, types.CustodyBitmap) ([][]*kzg4844.Cell, [][]*kzg4844.Proof, error) {
	return nil, nil, nil
}

// backend implements what eth needs from a client. After the handshake it requests the
// blocks that it wants from the remote, and reports the result.
type backend struct {
	chain  *core.BlockChain
	want   []*types.Block
	result chan error
}

func (b *backend) Chain() *core.BlockChain            { return b.chain }
func (b *backend) TxPool() eth.TxPool                 { return noTxs{} }
func (b *backend) BlobPool() eth.BlobPool             { return noBlobs{} }
func (b *backend) AcceptTxs() bool                    { return false }
func (b *backend) PeerInfo(id enode.ID) any           { return id.String() }
func (b *backend) Handle(*eth.Peer, eth.Packet) error { return nil }
func (b *backend) protocols() []p2p.Protocol          { return eth.MakeProtocols(b, networkID, nil) }
func newBackend(c *core.BlockChain, want []*types.Block) *backend {
	return &backend{chain: c, want: want, result: make(chan error, 1)}
}

func (b *backend) RunPeer(peer *eth.Peer, handler eth.Handler) error {
	head := b.chain.CurrentBlock()
	err := peer.Handshake(networkID, b.chain, eth.BlockRangeUpdatePacket{
		LatestBlock: head.Number.Uint64(), LatestBlockHash: head.Hash(),
	})
	if err != nil {
		b.result <- fmt.Errorf("handshake: %w", err)
		return err
	}
	go func() { b.result <- b.fetch(peer) }()
	return handler(peer)
}

// fetch gets headers and then bodies, and compares them with the wanted blocks.
func (b *backend) fetch(peer *eth.Peer) error {
	sink := make(chan *eth.Response)
	req, err := peer.RequestHeadersByNumber(b.want[0].NumberU64(), len(b.want), 0, false, sink)
	if err != nil {
		return err
	}
	res, err := answer(req, sink)
	if err != nil {
		return fmt.Errorf("headers: %w", err)
	}
	headers := *res.Res.(*eth.BlockHeadersRequest)
	if len(headers) != len(b.want) {
		return fmt.Errorf("%d headers, want %d", len(headers), len(b.want))
	}
	var hashes []common.Hash
	for i, h := range headers {
		if h.Hash() != b.want[i].Hash() {
			return fmt.Errorf("header %d is %v", i, h.Hash())
		}
		hashes = append(hashes, h.Hash())
	}
	if req, err = peer.RequestBodies(hashes, sink); err != nil {
		return err
	}
	if res, err = answer(req, sink); err != nil {
		return fmt.Errorf("bodies: %w", err)
	}
	bodies := *res.Res.(*eth.BlockBodiesResponse)
	if len(bodies) != len(b.want) {
		return fmt.Errorf("%d bodies, want %d", len(bodies), len(b.want))
	}
	for i := range bodies {
		txs, err := bodies[i].Transactions.Items()
		if err != nil {
			return err
		}
		if root := types.DeriveSha(types.Transactions(txs), trie.NewStackTrie(nil)); root != b.want[i].TxHash() {
			return fmt.Errorf("the %d transactions of block %d have the root %v", len(txs), i, root)
		}
	}
	return nil
}

// answer waits for the response to a request.
func answer(req *eth.Request, sink <-chan *eth.Response) (*eth.Response, error) {
	select {
	case res := <-sink:
		res.Done <- nil
		return res, nil
	case <-time.After(patience):
		return nil, errors.Join(fmt.Errorf("no answer in %v", patience), req.Close())
	}
}

// startNode starts a node of ours with the same protocols.
func startNode(t *testing.T, protos []p2p.Protocol) *node.Node {
	t.Helper()
	specs, err := gethcompat.Specs(protos...)
	if err != nil {
		t.Fatal(err)
	}
	return nodetest.Start(t, func(c *node.Config) { c.Specs = specs })
}

// TestEth: eth on our link and eth on go-ethereum's link do their handshake, and one side
// gets blocks from the other, whichever side dials and whichever has the blocks.
func TestEth(t *testing.T) {
	w := newWorld(t)
	for _, c := range []struct {
		name                 string
		theyDial, weHaveThem bool
	}{
		{"we dial and ask", false, false}, {"they dial and are asked", true, false}, {"we dial and are asked", false, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			full := newBackend(w.chain(t, length), []*types.Block{w.chain(t, 0).Genesis()})
			empty := newBackend(w.chain(t, 0), w.blocks)
			theirs, ours := full, empty
			if c.weHaveThem {
				theirs, ours = empty, full
			}
			server, self := fixture.Geth(t, func(c *p2p.Config) { c.Protocols = theirs.protocols() })
			n := startNode(t, ours.protocols())
			if c.theyDial {
				server.AddPeer(n.Self())
			} else if err := n.AddPeer(self); err != nil {
				t.Fatal(err)
			}
			for name, side := range map[string]*backend{"go-ethereum": theirs, "ours": ours} {
				if err := actortest.Receive(t, side.result); err != nil {
					t.Errorf("%s: %v", name, err)
				}
			}
			peers := n.Peers()
			if len(peers) != 1 {
				t.Fatalf("%d peers", len(peers))
			}
			t.Logf("%v: %d messages and %d bytes in, %d and %d out", peers[0].Caps, peers[0].MessagesIn, peers[0].BytesIn, peers[0].MessagesOut, peers[0].BytesOut)
			if got := peers[0].Protocols["eth"]; got != self.ID().String() {
				t.Errorf("eth's PeerInfo is %v", got)
			}
		})
	}
}

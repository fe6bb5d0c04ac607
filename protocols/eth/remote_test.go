package eth_test

import (
	"crypto/ecdsa"
	"encoding/json"
	"fmt"
	"math/big"
	"net/netip"
	"os"
	"slices"
	"sync"
	"testing"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/p2p/enode"
	"github.com/ethereum/go-ethereum/rlp"

	"github.com/troupe-p2p/troupe/actors/actortest"
	"github.com/troupe-p2p/troupe/node"
	"github.com/troupe-p2p/troupe/node/nodetest"
	"github.com/troupe-p2p/troupe/protocols"
	"github.com/troupe-p2p/troupe/protocols/eth"
	"github.com/troupe-p2p/troupe/protocols/eth/announce"
	"github.com/troupe-p2p/troupe/protocols/eth/chain"
	"github.com/troupe-p2p/troupe/protocols/eth/ethtest"
	"github.com/troupe-p2p/troupe/protocols/eth/pool"
	"github.com/troupe-p2p/troupe/protocols/eth/txfetch"
)

// wallet signs transactions of the test chain's accounts, which have something at block 600.
type wallet struct {
	t      testing.TB
	signer types.Signer
	state  *pool.Dump
	keys   []*ecdsa.PrivateKey // by address
	tip    int64               // of the transactions; zero: 1 wei
}

func newWallet(t testing.TB, n *chain.Network) *wallet {
	t.Helper()
	state, err := pool.OpenDump(ethtest.Chain(t, "headstate.json"))
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(ethtest.Chain(t, "accounts.json"))
	if err != nil {
		t.Fatal(err)
	}
	var accounts map[common.Address]struct{ Key string }
	if err := json.Unmarshal(text, &accounts); err != nil {
		t.Fatal(err)
	}
	w := &wallet{t: t, signer: types.LatestSigner(n.Config), state: state}
	for _, a := range accounts {
		key, err := crypto.HexToECDSA(a.Key[2:])
		if err != nil {
			t.Fatal(err)
		}
		w.keys = append(w.keys, key)
	}
	slices.SortFunc(w.keys, func(a, b *ecdsa.PrivateKey) int { return a.X.Cmp(b.X) })
	return w
}

// tx returns a transaction of an account, so many after the first that it may send, with some bytes of data.
func (w *wallet) tx(account, after, data int) *types.Transaction {
	w.t.Helper()
	nonce, _, _ := w.state.Account(crypto.PubkeyToAddress(w.keys[account].PublicKey))
	tx, err := types.SignNewTx(w.keys[account], w.signer, &types.DynamicFeeTx{
		ChainID: w.signer.ChainID(), Nonce: nonce + uint64(after), GasTipCap: big.NewInt(max(1, w.tip)), GasFeeCap: big.NewInt(max(7, w.tip)),
		Gas: 500_000, To: &common.Address{0xaa}, Data: make([]byte, data),
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return tx
}

// txs returns the first transactions of the accounts, of all in turn.
func (w *wallet) txs(count int) (list []*types.Transaction) {
	for i := range count {
		list = append(list, w.tx(i%len(w.keys), i/len(w.keys), 0))
	}
	return list
}

// remote is a node whose side of eth the test plays. It answers requests for the transactions that it has.
type remote struct {
	t    testing.TB
	link *protocols.Link // once it is up

	mu     sync.Mutex
	has    map[common.Hash]*types.Transaction
	pushed map[common.Hash]int // how often it came in full
	told   map[common.Hash]int // how often it was announced
	asked  []int               // how many transactions each request was for
	parts  []string            // what else it was asked for, but headers
	mute   bool                // requests have no answer

	garbled bool // answers have no list

	cells func(*eth.GetCells) *eth.Cells // nil: there are none
	masks map[common.Hash]types.CustodyBitmap
}

func newRemote(t testing.TB) *remote {
	return &remote{t: t, has: map[common.Hash]*types.Transaction{}, pushed: map[common.Hash]int{}, told: map[common.Hash]int{}, masks: map[common.Hash]types.CustodyBitmap{}}
}

func (r *remote) spec(e *eth.Eth) protocols.Spec {
	spec := e.Spec()
	spec.New = func() actor.Actor { return r }
	return spec
}

// Receive implements actor.Actor.
func (r *remote) Receive(ctx actor.Context) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch msg := ctx.Message().(type) {
	case *protocols.LinkUp:
		r.link = msg.Link.Shared()
	case *protocols.RawMessage:
		r.raw(msg)
	case *eth.GetBlockBodies, *eth.GetReceipts, *eth.GetReceipts70, *eth.GetBlockAccessLists:
		r.parts = append(r.parts, fmt.Sprintf("%T", msg))
	case *eth.GetCells:
		if r.cells != nil {
			r.send(r.cells(msg))
		}
	case *eth.GetPooledTransactions:
		r.asked = append(r.asked, len(msg.Hashes))
		if r.mute {
			return
		}
		var txs []*types.Transaction
		for _, hash := range msg.Hashes {
			if tx := r.has[hash]; tx != nil {
				txs = append(txs, tx)
			}
		}
		list := encodeTxs(r.t, txs)
		if r.garbled {
			list = rlp.EmptyString
		}
		r.send(&eth.PooledTransactions{ID: msg.ID, Transactions: list})
	}
}

func (r *remote) raw(msg *protocols.RawMessage) {
	if msg.Code == 8 {
		m, err := announce.Parse(r.link.Version(), msg.Payload)
		if err != nil {
			r.t.Error(err)
		}
		for tx := range m.All() {
			r.told[tx.Hash]++
			r.masks[tx.Hash] = m.Mask
		}
		return
	}
	for txs, err := range txfetch.Decode(msg.Payload, txfetch.MaxPushed, 100) {
		if err != nil {
			r.t.Error(err)
		}
		for _, tx := range txs {
			r.pushed[tx.Hash()]++
		}
	}
}

func (r *remote) send(msg any) {
	if err := r.link.Send(msg); err != nil {
		r.t.Error(err)
	}
}

// push sends transactions in full.
func (r *remote) push(txs ...*types.Transaction) {
	r.send(&protocols.RawMessage{Code: 2, Payload: encodeTxs(r.t, txs)})
}

// announce announces transactions, and has them.
func (r *remote) announce(txs ...*types.Transaction) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var list []announce.Tx
	for _, tx := range txs {
		r.has[tx.Hash()] = tx
		list = append(list, announce.Tx{Hash: tx.Hash(), Type: tx.Type(), Size: uint32(tx.Size())})
	}
	r.tell(list...)
}

func (r *remote) tell(list ...announce.Tx) {
	r.send(&protocols.RawMessage{Code: 8, Payload: announce.Encode(r.link.Version(), list, types.CustodyBitmap{})})
}

// got returns how often a transaction came, in full and by its hash.
func (r *remote) got(tx *types.Transaction) (pushed, told int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.pushed[tx.Hash()], r.told[tx.Hash()]
}

// requests returns how many transactions the remote was asked for at each time.
func (r *remote) requests() []int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.asked)
}

func encodeTxs(t testing.TB, txs []*types.Transaction) []byte {
	t.Helper()
	b, err := rlp.EncodeToBytes(txs)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// hub is a node between remotes, each at an address of its own.
type hub struct {
	*eth.Eth
	*node.Node
	world *nodetest.Network
	cfg   eth.Config
}

// newHub starts a node with links to static remotes. It must be in a bubble.
func newHub(t *testing.T, cfg eth.Config, static map[netip.AddrPort]*remote, chaos ...node.Chaos) *hub {
	t.Helper()
	h := &hub{Eth: eth.New(cfg), world: nodetest.NewNetwork(), cfg: cfg}
	var nodes []*enode.Node
	for at, r := range static {
		nodes = append(nodes, h.start(t, r, at).Self())
	}
	h.Node = nodetest.Start(t, func(c *node.Config) {
		h.world.Attach(c, netip.MustParseAddrPort("10.0.0.1:30303"))
		c.Specs, c.StaticNodes, c.Chaos = []protocols.Spec{h.Spec()}, nodes, chaos
	})
	for _, r := range static {
		h.await(t, r)
	}
	return h
}

// start runs a remote's node.
func (h *hub) start(t *testing.T, r *remote, at netip.AddrPort, peers ...*enode.Node) *node.Node {
	t.Helper()
	cfg := h.cfg
	cfg.State, cfg.DialRPC = nil, nil
	return h.startAs(t, r, eth.New(cfg), at, peers...)
}

func (h *hub) startAs(t *testing.T, r *remote, as *eth.Eth, at netip.AddrPort, peers ...*enode.Node) *node.Node {
	t.Helper()
	return nodetest.Start(t, func(c *node.Config) {
		h.world.Attach(c, at)
		c.Specs, c.StaticNodes = []protocols.Spec{r.spec(as)}, peers
	})
}

// join links remotes to the hub.
func (h *hub) join(t *testing.T, remotes map[netip.AddrPort]*remote) {
	t.Helper()
	for at, r := range remotes {
		h.start(t, r, at, h.Self())
		h.await(t, r)
	}
}

func (h *hub) await(t *testing.T, r *remote) {
	t.Helper()
	actortest.Eventually(t, "the link is up", func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		return r.link != nil
	})
}

// remotes makes some remotes, each in a network of its own.
func remotes(t *testing.T, count int) (list []*remote, by map[netip.AddrPort]*remote) {
	by = map[netip.AddrPort]*remote{}
	for i := range count {
		r := newRemote(t)
		list = append(list, r)
		by[netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 1, byte(i), 1}), 30303)] = r
	}
	return list, by
}

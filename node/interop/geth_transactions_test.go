//go:build conformance

package interop_test

import (
	"encoding/json"
	"math/big"
	"os"
	"testing"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/p2p/enode"
	"github.com/ethereum/go-ethereum/rlp"
	"github.com/ethereum/go-ethereum/rpc"

	"github.com/troupe-p2p/troupe/actors/actortest"
	"github.com/troupe-p2p/troupe/node"
	"github.com/troupe-p2p/troupe/node/nodetest"
	"github.com/troupe-p2p/troupe/protocols"
	"github.com/troupe-p2p/troupe/protocols/eth"
	"github.com/troupe-p2p/troupe/protocols/eth/chain"
	"github.com/troupe-p2p/troupe/protocols/eth/ethtest"
	"github.com/troupe-p2p/troupe/wire"
)

// spender signs transactions of one account of the test chain.
type spender struct {
	t    testing.TB
	send func() (*types.Transaction, error)
}

func newSpender(t testing.TB, n *chain.Network, geth *rpc.Client) *spender {
	t.Helper()
	text, err := os.ReadFile(ethtest.Chain(t, "accounts.json"))
	if err != nil {
		t.Fatal(err)
	}
	var accounts map[common.Address]struct{ Key string }
	if err := json.Unmarshal(text, &accounts); err != nil {
		t.Fatal(err)
	}
	for address, account := range accounts {
		key, err := crypto.HexToECDSA(account.Key[2:])
		if err != nil {
			t.Fatal(err)
		}
		nonce := uint64(call[hexutil.Uint64](t, geth, "eth_getTransactionCount", address, "latest"))
		return &spender{t, func() (*types.Transaction, error) {
			nonce++
			return types.SignNewTx(key, types.LatestSigner(n.Config), &types.DynamicFeeTx{
				ChainID: n.Config.ChainID, Nonce: nonce - 1, GasTipCap: big.NewInt(1e9), GasFeeCap: big.NewInt(2e9), Gas: 30000, To: &common.Address{0xaa},
			})
		}}
	}
	t.Fatal("there are no accounts")
	return nil
}

func (s *spender) next() *types.Transaction {
	s.t.Helper()
	tx, err := s.send()
	if err != nil {
		s.t.Fatal(err)
	}
	return tx
}

// relay is a node of ours with a link to geth.
type relay struct {
	*eth.Eth
	*node.Node
	sent, received int // messages with transactions or announcements, to and from geth
	messages       <-chan node.Message
	geth           enode.ID
}

func newRelay(t testing.TB, genesis string, geth *rpc.Client) *relay {
	t.Helper()
	n, err := chain.ReadGenesis(genesis)
	if err != nil {
		t.Fatal(err)
	}
	r := &relay{Eth: eth.New(eth.Config{Chain: n, History: []string{ethtest.Chain(t, "chain.rlp"), "../../protocols/eth/history/testdata"}, StateFile: ethtest.Chain(t, "headstate.json")})}
	r.Node = nodetest.Start(t, func(c *node.Config) { c.Specs = []protocols.Spec{r.Spec()} })
	actortest.Eventually(t, "the node serves block 600", func() bool { return r.View().Range().Latest == 600 })
	r.messages = r.SubscribeMessages(t.Context(), 10000)
	self := enode.MustParse(call[struct{ Enode string }](t, geth, "admin_nodeInfo").Enode)
	r.geth = self.ID()
	if !call[bool](t, geth, "admin_addPeer", r.Self().URLv4()) {
		t.Fatal("geth does not add the peer")
	}
	actortest.Eventually(t, "the node has geth as a peer", func() bool { return r.PeerCount() > 0 })
	return r
}

// count counts the messages up to now.
func (r *relay) count() (sent, received int) {
	for {
		select {
		case m := <-r.messages:
			if m.Protocol.Name != "eth" || enode.ID(wire.NodeID(m.Link.RemoteID())) != r.geth || m.Code != 2 && m.Code != 8 {
				continue
			}
			if m.Sent {
				r.sent++
			} else {
				r.received++
			}
		default:
			return r.sent, r.received
		}
	}
}

// pusher is the actor of a remote that only pushes transactions.
type pusher struct{ link chan *protocols.Link }

// Receive implements actor.Actor.
func (p pusher) Receive(ctx actor.Context) {
	if msg, ok := ctx.Message().(*protocols.LinkUp); ok {
		p.link <- msg.Link.Shared()
	}
}

// newPusher links a remote to a node of ours.
func newPusher(t testing.TB, to *relay) *protocols.Link {
	t.Helper()
	spec := eth.New(eth.Config{Genesis: ethtest.Chain(t, "genesis.json")}).Spec()
	p := pusher{make(chan *protocols.Link, 1)}
	spec.New = func() actor.Actor { return p }
	nodetest.Start(t, func(c *node.Config) {
		c.Specs, c.StaticNodes = []protocols.Spec{spec}, []*enode.Node{to.Self()}
	})
	return actortest.Receive(t, p.link)
}

// TestConformanceGethTransactions: with a geth between two nodes of ours, each transaction goes once over
// each link, whichever of the three it comes in at.
func TestConformanceGethTransactions(t *testing.T) {
	geth, _ := runGeth(t, ethtest.Chain(t, "chain.rlp"))
	tellHead(t, geth) // before that it takes no transaction
	genesis := ethtest.Chain(t, "genesis.json")
	a, b := newRelay(t, genesis, geth), newRelay(t, genesis, geth)
	remote := newPusher(t, a)
	n, err := chain.ReadGenesis(genesis)
	if err != nil {
		t.Fatal(err)
	}
	s := newSpender(t, n, geth)
	const each = 5
	for range each {
		tx := s.next()
		raw, err := tx.MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		call[common.Hash](t, geth, "eth_sendRawTransaction", hexutil.Bytes(raw))
		actortest.Eventually(t, "geth's transaction comes to both", func() bool { return a.Pool().Has(tx.Hash()) && b.Pool().Has(tx.Hash()) })
	}
	for range each {
		tx := s.next()
		list, err := rlp.EncodeToBytes([]*types.Transaction{tx})
		if err != nil {
			t.Fatal(err)
		}
		if err := remote.Send(&protocols.RawMessage{Code: 2, Payload: list}); err != nil {
			t.Fatal(err)
		}
		actortest.Eventually(t, "a transaction goes by way of geth", func() bool { return b.Pool().Has(tx.Hash()) })
		if got := call[*struct{ Hash common.Hash }](t, geth, "eth_getTransactionByHash", tx.Hash()); got == nil || got.Hash != tx.Hash() {
			t.Errorf("geth has not %v in its pool", tx.Hash())
		}
	}
	time.Sleep(2 * time.Second) // in which nothing more is to come
	if sent, received := a.count(); sent != each || received != each {
		t.Errorf("the node with the remote sent geth %d and got %d messages, want %d and %d", sent, received, each, each)
	}
	if sent, received := b.count(); sent != 0 || received != 2*each {
		t.Errorf("the other node sent geth %d and got %d messages, want 0 and %d", sent, received, 2*each)
	}
}

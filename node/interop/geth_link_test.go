//go:build conformance

package interop_test

import (
	"flag"
	"sync/atomic"
	"testing"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
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
	"github.com/troupe-p2p/troupe/protocols/eth/serve"
)

// linkTime is how long TestConformanceGethKeepsItsLink uses one link. go-ethereum's dropper ends no link that is
// younger than ten minutes, so more than that is worth a run by hand: -timeout 20m ./node/interop -linktime 15m.
var linkTime = flag.Duration("linktime", 20*time.Second, "`TIME` for which a link to geth is used")

// used is a node of ours with one link to geth, and what went over it.
type used struct {
	*relay
	link    *protocols.Link
	drops   atomic.Int64
	answers int // of geth
	asked   int // by geth
	asking  <-chan node.Message
}

// newUsed starts a node of ours with the test chain, which dials geth. So geth does not spare it, as it would a
// node that its operator has named.
func newUsed(t testing.TB, n *chain.Network, geth *rpc.Client) *used {
	t.Helper()
	e := eth.New(eth.Config{
		Chain: n, History: []string{ethtest.Chain(t, "chain.rlp"), "../../protocols/eth/history/testdata"},
		StateFile: ethtest.Chain(t, "headstate.json"),
	})
	u, up := &used{relay: &relay{Eth: e}}, make(chan *protocols.Link, 4)
	spec := e.Spec()
	behaviour := spec.New
	spec.New = func() actor.Actor {
		inner := behaviour()
		return actor.ReceiveFunc(func(ctx actor.Context) {
			if msg, ok := ctx.Message().(*protocols.LinkUp); ok {
				up <- msg.Link.Shared()
			}
			inner.Receive(ctx)
		})
	}
	u.Node = nodetest.Start(t, func(c *node.Config) { c.Specs = []protocols.Spec{spec} })
	actortest.Eventually(t, "the node serves block 600", func() bool { return e.View().Range().Latest == 600 })
	events := u.Subscribe(t.Context())
	go func() {
		for event := range events {
			if event.Kind == node.PeerDropped && event.Peer.ID == u.geth && t.Context().Err() == nil {
				u.drops.Add(1)
				t.Errorf("the link to geth ended: %v", event.Cause)
			}
		}
	}()
	u.messages = u.SubscribeMessages(t.Context(), 10000)
	u.asking = u.SubscribeMessages(t.Context(), 100000)
	self := enode.MustParse(call[struct{ Enode string }](t, geth, "admin_nodeInfo").Enode)
	u.geth = self.ID()
	if err := u.AddPeer(self); err != nil {
		t.Fatal(err)
	}
	u.link = actortest.Receive(t, up)
	return u
}

// ask asks geth for all there is of some blocks, over the link.
func (u *used) ask(t testing.TB, number uint64) {
	t.Helper()
	q := eth.Query{Link: u.link}
	h, err := q.Header(t.Context(), serve.Origin{Number: number})
	if err == nil {
		_, err = q.Body(t.Context(), h)
	}
	if err == nil {
		_, err = q.Receipts(t.Context(), h)
	}
	if err != nil {
		t.Errorf("block %d of geth: %v", number, err)
	}
	u.answers += 3
}

// requests counts the requests of geth.
func (u *used) requests() int {
	for {
		select {
		case m := <-u.asking:
			if m.Protocol.Name == "eth" && !m.Sent && (m.Code == 3 || m.Code == 5 || m.Code == 15) {
				u.asked++
			}
		default:
			return u.asked
		}
	}
}

// rewind has geth forget its last blocks, and fetch them again: from our node, which is its only peer that has
// them.
func rewind(t testing.TB, geth *rpc.Client, to uint64) {
	t.Helper()
	call[any](t, geth, "debug_setHead", hexutil.Uint64(to))
	tellHead(t, geth)
	actortest.Eventually(t, "geth has block 600 again", func() bool { return call[hexutil.Uint64](t, geth, "eth_blockNumber") == 600 })
}

// TestConformanceGethKeepsItsLink: neither geth nor our node ends a link that both use all the time: geth synchronises,
// is asked for blocks, and transactions go both ways.
func TestConformanceGethKeepsItsLink(t *testing.T) {
	geth, _ := runGeth(t, ethtest.Chain(t, "chain.rlp"))
	tellHead(t, geth)
	genesis := ethtest.Chain(t, "genesis.json")
	n, err := chain.ReadGenesis(genesis)
	if err != nil {
		t.Fatal(err)
	}
	u := newUsed(t, n, geth)
	remote, s := newPusher(t, u.relay), newSpender(t, n, geth)
	began, rounds, last := time.Now(), 0, (*types.Transaction)(nil)
	for ; time.Since(began) < *linkTime && u.drops.Load() == 0; rounds++ {
		tick := time.After(time.Second)
		for i := range uint64(50) {
			u.ask(t, (uint64(rounds)*50+i)%600+1)
		}
		if last = s.next(); rounds%2 == 0 {
			raw, err := last.MarshalBinary()
			if err != nil {
				t.Fatal(err)
			}
			call[common.Hash](t, geth, "eth_sendRawTransaction", hexutil.Bytes(raw))
		} else {
			list, err := rlp.EncodeToBytes([]*types.Transaction{last})
			if err != nil {
				t.Fatal(err)
			}
			if err := remote.Send(&protocols.RawMessage{Code: 2, Payload: list}); err != nil {
				t.Fatal(err)
			}
		}
		if rounds%10 == 9 {
			rewind(t, geth, 600-uint64(rounds)%500)
		}
		<-tick
	}
	actortest.Eventually(t, "both have the last transaction", func() bool {
		got := call[*struct{ Hash common.Hash }](t, geth, "eth_getTransactionByHash", last.Hash())
		return got != nil && u.Pool().Has(last.Hash())
	})
	sent, received := u.count()
	t.Logf("%v: geth gave %d answers and asked %d times; %d messages with transactions to it, %d from it",
		time.Since(began).Round(time.Second), u.answers, u.requests(), sent, received)
	if sent == 0 || received == 0 || u.requests() == 0 {
		t.Error("the link was not used both ways")
	}
	if u.drops.Load() > 0 || u.link.Context().Err() != nil {
		t.Error("the link has ended")
	}
	if peers := call[hexutil.Uint](t, geth, "net_peerCount"); peers != 1 {
		t.Errorf("geth has %d peers, want our node", peers)
	}
}

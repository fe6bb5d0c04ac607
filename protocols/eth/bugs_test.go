package eth_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/core/forkid"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/p2p/enode"
	"github.com/golang/snappy"

	"github.com/troupe-p2p/troupe/actors/actortest"
	"github.com/troupe-p2p/troupe/node"
	"github.com/troupe-p2p/troupe/node/nodetest"
	"github.com/troupe-p2p/troupe/protocols"
	"github.com/troupe-p2p/troupe/protocols/eth"
	"github.com/troupe-p2p/troupe/protocols/eth/chain"
	"github.com/troupe-p2p/troupe/protocols/protocoltest"
	"github.com/troupe-p2p/troupe/wire"
)

// The tests here are named by faults that other implementations had.

// TestBug4RequestsWithoutCap: a request with more hashes than any client asks for is refused before it is
// decoded (ethereumjs #1051).
func TestBug4RequestsWithoutCap(t *testing.T) {
	n, files := testChain(t)
	hostile := eth.New(eth.Config{Chain: n, Source: files, Versions: []uint{72}}).Spec()
	for code, m := range map[int]protocols.Message{
		0x05: protocols.Type[eth.GetBlockBodies](), 0x09: protocols.Type[eth.GetPooledTransactions](), 0x0f: protocols.Type[eth.GetReceipts70](),
		0x12: protocols.Type[eth.GetBlockAccessLists](), 0x14: protocols.Type[eth.GetCells](),
	} {
		hostile.Versions[0].Messages[code] = m
	}
	hostile.Versions[0].Messages[0x06], hostile.Versions[0].Messages[0x0a] = protocols.Raw(), protocols.Raw()
	hostile.Versions[0].Messages[0x10], hostile.Versions[0].Messages[0x13], hostile.Versions[0].Messages[0x15] = protocols.Raw(), protocols.Raw(), protocols.Raw()
	many := make(eth.Hashes, 20_000)
	for name, request := range map[string]any{
		"GetBlockBodies": &eth.GetBlockBodies{Hashes: many}, "GetPooledTransactions": &eth.GetPooledTransactions{Hashes: many},
		"GetReceipts70": &eth.GetReceipts70{Hashes: many}, "GetBlockAccessLists": &eth.GetBlockAccessLists{Hashes: many}, "GetCells": &eth.GetCells{Hashes: many},
	} {
		p := protocoltest.NewPair(t, serving(t, n, files, 72), protocoltest.ByHand(hostile))
		if err := p.B.Send(request); err != nil {
			t.Fatal(err)
		}
		if cause := p.A.Wait(); cause.Reason != protocols.DiscProtocolError || !strings.Contains(cause.Error(), name) {
			t.Errorf("%s: the link ended with %v", name, cause)
		}
		p.Close()
	}
}

// TestBug11RangeUpdate: an update whose range begins after its end, or that has no hash, ends the link
// and is not stored (nimbus-eth1 #3299, nethermind #11792). TestRefusedStatuses has the same for Status.
func TestBug11RangeUpdate(t *testing.T) {
	n, files := testChain(t)
	genesis := n.Genesis.Hash()
	for name, update := range map[string]eth.BlockRangeUpdate{
		"begins after its end": {Earliest: 2, Latest: 1, LatestHash: genesis},
		"no hash":              {Earliest: 1, Latest: 2},
	} {
		p := protocoltest.NewPair(t, serving(t, n, files, 69), protocoltest.ByHand(serving(t, n, files, 69)))
		if err := p.B.Send(&update); err != nil {
			t.Fatal(err)
		}
		if cause := p.A.Wait(); !errors.Is(cause, chain.ErrRange) || cause.Reason != protocols.DiscProtocolError {
			t.Errorf("%s: the link ended with %v", name, cause)
		}
		if got, want := *p.A.PeerInfo().(eth.PeerInfo).Range, (chain.Range{LatestHash: genesis}); got != want {
			t.Errorf("%s: the node has stored %+v, want %+v", name, got, want)
		}
		p.Close()
	}
}

// TestBug12CodeOfRangeUpdate: an update has code 0x21 on the wire, 0x11 after the 16 of the base protocol.
// A remote that sends it as 0x11 means NewBlockHashes, which eth/69 does not have (myotis #287).
func TestBug12CodeOfRangeUpdate(t *testing.T) {
	n, files := testChain(t)
	server := eth.New(eth.Config{Chain: n, Source: files, Versions: []uint{69}})
	self := nodetest.Start(t, func(c *node.Config) { c.Specs = []protocols.Spec{server.Spec()} })
	key, err := crypto.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	client, err := nodetest.DialClient(t, self, key, wire.Cap{Name: "eth", Version: 69})
	if err != nil {
		t.Fatal(err)
	}
	next := func() (code uint64, payload []byte) {
		t.Helper()
		for code <= wire.PongMsg {
			if code, payload, err = client.Next(); err != nil {
				t.Fatal(err)
			}
		}
		return code, payload
	}
	send := func(code uint64, msg any) {
		t.Helper()
		b, err := client.Message(code, msg)
		if err != nil {
			t.Fatal(err)
		}
		client.Send(t, b)
	}
	if code, _ := next(); code != 0x10 {
		t.Fatalf("the status has code 0x%02x", code)
	}
	id := forkid.NewID(n.Config, n.Genesis, 600, 1<<40)
	send(0x10, &eth.Status{Version: 69, NetworkID: n.ID, Genesis: n.Genesis.Hash(), ForkID: id, LatestHash: n.Genesis.Hash()})
	server.View().Set(chain.Block{Number: 600, Hash: hashOf(t, files, 600)}, 0)
	code, payload := next()
	plain, err := snappy.Decode(nil, payload)
	if err != nil {
		t.Fatal(err)
	}
	var update eth.BlockRangeUpdate
	if mustDecode(plain, &update); code != 0x21 || update.Latest != 600 {
		t.Errorf("code 0x%02x: %+v", code, update)
	}
	send(0x11, &update)
	if reason := client.AwaitDisconnect(t); reason != wire.DiscProtocolError {
		t.Errorf("an update with code 0x11: %v", reason)
	}
}

// TestBug17PeersThatSync: peers that serve the genesis block alone, or lag far behind, are not dropped for
// their range, and do not keep the node from its head (the specification's advice).
func TestBug17PeersThatSync(t *testing.T) {
	n, files := testChain(t)
	actortest.Bubble(t, func(t *testing.T) {
		w := newWorld(t, n, files)
		syncing := map[enode.ID]bool{}
		for _, head := range []uint64{0, 100, 300} {
			e := w.serve(eth.Config{Source: without{growing{files, w.head}, func(_ chain.Part, n uint64) bool { return n > head }}})
			e.View().Set(chain.Block{Number: head, Hash: hashOf(t, files, head)}, 0)
			syncing[w.nodes[len(w.nodes)-1].ID()] = true
		}
		w.servers = nil // grow is not for them
		for range 3 {
			w.serve(eth.Config{})
		}
		w.grow(500)
		follower, self := w.follow()
		ends := firstEnds(nodetest.Watch(t, self))
		for head := uint64(501); head <= 530; head++ {
			actortest.After(12 * time.Second)
			w.grow(head)
		}
		actortest.After(time.Minute)
		for id, cause := range ends() {
			t.Errorf("the link to %v ended, which syncs: %v: %v", id, syncing[id], cause)
		}
		if got, want := follower.View().Range(), w.rangeTo(530); got != want {
			t.Errorf("the follower serves %+v, want %+v", got, want)
		}
	})
}

package eth_test

import (
	"log/slog"
	"slices"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/rlp"

	"github.com/troupe-p2p/troupe/protocols"
	"github.com/troupe-p2p/troupe/protocols/eth"
	"github.com/troupe-p2p/troupe/protocols/eth/chain"
	"github.com/troupe-p2p/troupe/protocols/eth/ethtest"
	"github.com/troupe-p2p/troupe/protocols/eth/history"
	"github.com/troupe-p2p/troupe/protocols/eth/serve"
	"github.com/troupe-p2p/troupe/protocols/protocoltest"
)

// testChain has go-ethereum's test chain from its files.
func testChain(t testing.TB) (*chain.Network, *eth.Files) {
	t.Helper()
	n, err := chain.ReadGenesis(ethtest.Chain(t, "genesis.json"))
	if err != nil {
		t.Fatal(err)
	}
	a, err := history.NewArchive(history.ArchiveConfig{
		Paths:   []string{ethtest.Chain(t, "chain.rlp"), "history/testdata"},
		Genesis: n.Genesis.Hash(), Log: slog.Default(),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.Close)
	if err := a.Index(t.Context(), func() {}); err != nil {
		t.Fatal(err)
	}
	f, err := eth.NewFiles(a, n)
	if err != nil {
		t.Fatal(err)
	}
	return n, f
}

// serving returns the side that serves the test chain in one version.
func serving(t *testing.T, n *chain.Network, f *eth.Files, version uint) protocols.Spec {
	t.Helper()
	return eth.New(eth.Config{Chain: n, Source: f, Versions: []uint{version}}).Spec()
}

func split(t *testing.T, list []byte) (items [][]byte) {
	t.Helper()
	content, _, err := rlp.SplitList(list)
	for err == nil && len(content) > 0 {
		var rest []byte
		_, _, rest, err = rlp.Split(content)
		items, content = append(items, content[:len(content)-len(rest)]), rest
	}
	if err != nil {
		t.Fatal(err)
	}
	return items
}

// client asks a link for everything, as often as it takes.
type client struct {
	*testing.T
	link    *protocols.Link
	version uint
}

// ask returns the items for all hashes: each answer is a part of them, from the first on.
func ask[A any](c client, hashes []common.Hash, request func([]common.Hash) any, list func(*A) []byte) (all [][]byte) {
	c.Helper()
	for len(all) < len(hashes) {
		rest := hashes[len(all):]
		a, err := protocols.Call[A](c.Context(), c.link, request(rest[:min(len(rest), 128)]))
		if err != nil {
			c.Fatal(err)
		}
		items := split(c.T, list(a))
		if len(items) == 0 {
			return all
		}
		all = append(all, items...)
	}
	return all
}

func (c client) headers() (all [][]byte) {
	for n := uint64(0); n <= 600; n = uint64(len(all)) {
		a, err := protocols.Call[eth.BlockHeaders](c.Context(), c.link, &eth.GetBlockHeaders{Query: serve.HeadersQuery{Origin: serve.Origin{Number: n}, Amount: 192}})
		if err != nil {
			c.Fatal(err)
		}
		all = append(all, split(c.T, a.Headers)...)
	}
	return all
}

// receipts70 puts the parts of a block's receipts together.
func (c client) receipts70(hashes []common.Hash) (all [][]byte) {
	first := uint64(0)
	var part [][]byte // of the block that is not complete
	for len(all) < len(hashes) {
		rest := hashes[len(all):]
		a, err := protocols.Call[eth.Receipts70](c.Context(), c.link, &eth.GetReceipts70{First: first, Hashes: rest[:min(len(rest), 128)]})
		if err != nil {
			c.Fatal(err)
		}
		blocks := split(c.T, a.Receipts)
		if len(blocks) == 0 {
			return all
		}
		for i, b := range blocks {
			if first > 0 && i == 0 || a.Incomplete && i == len(blocks)-1 {
				part = append(part, split(c.T, b)...)
				if a.Incomplete && i == len(blocks)-1 {
					first = uint64(len(part))
					continue
				}
				whole, err := rlp.EncodeToBytes(rawList(part))
				if err != nil {
					c.Fatal(err)
				}
				b, part, first = whole, nil, 0
			}
			all = append(all, b)
		}
	}
	return all
}

func rawList(items [][]byte) (list []rlp.RawValue) {
	for _, item := range items {
		list = append(list, item)
	}
	return list
}

// TestWholeChain asks for all blocks of the test chain in each version and compares all that comes
// with the files, as they are read here and as go-ethereum reads them.
func TestWholeChain(t *testing.T) {
	n, files := testChain(t)
	x := readTruth(t, n.Genesis.Header())
	for _, version := range eth.Versions() {
		spec := serving(t, n, files, version)
		p := protocoltest.NewPair(t, spec, protocoltest.ByHand(serving(t, n, files, version)))
		c := client{T: t, link: p.B.Link, version: version}
		headers := c.headers()
		var hashes []common.Hash
		for i, h := range headers {
			hashes = append(hashes, crypto.Keccak256Hash(h))
			compare(t, files, chain.Header, i, h)
			x.header(i, h)
		}
		if len(hashes) != 601 {
			t.Fatalf("eth/%d: %d headers, want 601", version, len(hashes))
		}
		bodies := ask(c, hashes, func(h []common.Hash) any { return &eth.GetBlockBodies{Hashes: h} }, func(a *eth.BlockBodies) []byte { return a.Bodies })
		if len(bodies) != 601 {
			t.Errorf("eth/%d: %d bodies, want 601", version, len(bodies))
		}
		for i, b := range bodies {
			compare(t, files, chain.Body, i, b)
			x.body(i, b)
		}
		c.checkReceipts(files, x, hashes)
		if version >= 71 {
			c.checkAccessLists(files, x, hashes)
		}
		p.Close()
	}
}

func (c client) checkReceipts(files *eth.Files, x *truth, hashes []common.Hash) {
	c.Helper()
	receipts := func(h []common.Hash) [][]byte {
		if c.version >= 70 {
			return c.receipts70(h)
		}
		return ask(c, h, func(h []common.Hash) any { return &eth.GetReceipts{Hashes: h} }, func(a *eth.Receipts) []byte { return a.Receipts })
	}
	// Before eth/70 the receipts of block 14 do not fit in a message.
	all := receipts(hashes)
	if c.version < 70 {
		if len(all) != 14 {
			c.Errorf("eth/%d: %d blocks' receipts up to the large one, want 14", c.version, len(all))
		}
		all = append(append(all, nil), receipts(hashes[15:])...)
	}
	if len(all) != len(hashes) {
		c.Errorf("eth/%d: receipts of %d blocks, want %d", c.version, len(all), len(hashes))
	}
	for i, r := range all {
		if r != nil {
			x.receipts(c.version, i, r)
		}
		switch {
		case r == nil:
		case c.version == 68:
			slim, err := chain.SlimReceipts(r)
			if err != nil {
				c.Fatal(err)
			}
			compare(c.T, files, chain.Receipts, i, slim)
		default:
			compare(c.T, files, chain.Receipts, i, r)
		}
	}
}

func (c client) checkAccessLists(files *eth.Files, x *truth, hashes []common.Hash) {
	c.Helper()
	lists := ask(c, hashes, func(h []common.Hash) any { return &eth.GetBlockAccessLists{Hashes: h} }, func(a *eth.BlockAccessLists) []byte { return a.Lists })
	found := 0
	for i, list := range lists {
		if !x.accessList(i, list) {
			found++
			compare(c.T, files, chain.AccessList, i, list)
		}
	}
	if len(lists) != 601 || found != 565 {
		c.Errorf("eth/%d: %d of %d block access lists, want 565 of 601", c.version, found, len(lists))
	}
}

func compare(t *testing.T, files *eth.Files, p chain.Part, n int, got []byte) {
	t.Helper()
	want, err := files.Read(p, uint64(n))
	if err != nil || !slices.Equal(got, want) {
		t.Fatalf("%v of block %d: %d bytes, want %d (%v)", p, n, len(got), len(want), err)
	}
}

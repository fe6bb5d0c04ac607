package eth

import (
	"fmt"
	"slices"
	"sync"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/rlp"

	"github.com/troupe-p2p/troupe/protocols"
	"github.com/troupe-p2p/troupe/protocols/eth/chain"
	"github.com/troupe-p2p/troupe/protocols/eth/pool"
	"github.com/troupe-p2p/troupe/protocols/eth/verify"
)

// maxFollowed is how many blocks before the head are looked at for transactions, as many as the window
// has.
const maxFollowed = 64

// inclusions are the transactions of the last blocks that the pool was told of.
type inclusions struct {
	mu             sync.Mutex
	running, again bool

	blocks []*block // by number, each the parent of the next; only the goroutine that runs uses them
}

// block is a block, as the pool knows it.
type block struct {
	number   uint64
	hash     common.Hash
	gasLimit uint64
	included []pool.Inclusion
	hashes   []common.Hash // until the service has them
}

// begin reports whether the caller is to run. If another goroutine does, that one runs again.
func (in *inclusions) begin() bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.again = in.running
	first := !in.running
	in.running = true
	return first
}

// end reports whether there is nothing more to do.
func (in *inclusions) end() bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.running, in.again = in.again, false
	return !in.running
}

// abandon says that the goroutine that runs has ended amid it.
func (in *inclusions) abandon() {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.running, in.again = false, false
}

// follow has the pool follow the chain, as the view has it. Bodies are read and signatures recovered
// outside the actor, by one goroutine at a time.
func (p *pooling) follow() {
	in := &p.eth.mempool.included
	if !in.begin() {
		return
	}
	protocols.Go(p.actor, func() {
		ended := false
		defer func() {
			if !ended {
				in.abandon() // a panic
			}
		}()
		for !ended {
			if hashes := p.eth.followHead(); len(hashes) > 0 {
				p.tell(followed{hashes})
			}
			ended = in.end()
		}
	})
}

// followHead tells the pool which transactions the blocks up to the head have, and which those that
// are not canonical any more had. It returns the hashes of the former.
func (e *Eth) followHead() (hashes []common.Hash) {
	head, known := e.view.Head()
	if !known || e.ctx.Err() != nil {
		return nil
	}
	m := e.mempool
	fresh, ok := e.blocksTo(head)
	if !ok {
		return nil // the view has changed meanwhile, or the head cannot be read
	}
	kept, left := split(m.included.blocks, fresh, head)
	for _, b := range slices.Backward(left) {
		m.pool.Excluded(b.included)
	}
	for _, b := range fresh {
		m.pool.Included(b.included)
		hashes = append(hashes, b.hashes...)
		b.hashes = nil
	}
	kept = append(kept, fresh...)
	if n := len(kept); n > 0 {
		m.gasLimit.Store(kept[n-1].gasLimit)
	}
	m.included.blocks = slices.Clone(kept[max(0, len(kept)-maxFollowed):])
	return hashes
}

// split divides the blocks before a new head into those that it builds on and those that it does not.
// fresh are the blocks up to the head that are not among them.
func split(blocks, fresh []*block, head chain.Block) (kept, left []*block) {
	first := head.Number + 1
	if len(fresh) > 0 {
		first = fresh[0].number
	}
	i, _ := slices.BinarySearchFunc(blocks, first, func(b *block, n uint64) int {
		if b.number < n {
			return -1
		}
		return 1
	})
	kept, left = blocks[:i], blocks[i:]
	if n := len(kept); n > 0 && kept[n-1].number+1 != first {
		kept = nil // there is a gap
	}
	return kept, left
}

// blocksTo returns the blocks up to the head that the pool was not told of, by number; ok is false if
// they are not those of the view any more.
func (e *Eth) blocksTo(head chain.Block) (fresh []*block, ok bool) {
	n, hash := head.Number, head.Hash
	for len(fresh) < maxFollowed && n > 0 {
		if slices.ContainsFunc(e.mempool.included.blocks, func(b *block) bool { return b.hash == hash }) {
			break
		}
		b, parent, err := e.readBlock(n, hash)
		if err != nil {
			if len(fresh) == 0 {
				return nil, false
			}
			break // a gap in what the node has
		}
		fresh = append(fresh, b)
		n, hash = n-1, parent
	}
	slices.Reverse(fresh)
	return fresh, true
}

// readBlock reads a block and finds out the senders of its transactions.
func (e *Eth) readBlock(n uint64, hash common.Hash) (b *block, parent common.Hash, err error) {
	encoded, err := e.source.Read(chain.Header, n)
	if err != nil {
		return nil, parent, err
	}
	header, err := verify.DecodeHeader(encoded)
	if err != nil {
		return nil, parent, err
	}
	body, err := e.source.Read(chain.Body, n)
	if err != nil {
		return nil, parent, err
	}
	if at, ok := e.source.Number(hash); header.Hash != hash || !ok || at != n {
		return nil, parent, fmt.Errorf("block %d is not %v any more", n, hash)
	}
	var content struct {
		Transactions []*types.Transaction
		Rest         []rlp.RawValue `rlp:"tail"`
	}
	if err := rlp.DecodeBytes(body, &content); err != nil {
		return nil, parent, err
	}
	b = &block{number: n, hash: hash, gasLimit: header.Fields.GasLimit}
	signer := types.LatestSigner(e.network.Config)
	for _, tx := range content.Transactions {
		b.hashes = append(b.hashes, tx.Hash())
		var sender common.Address
		if pooled := e.mempool.pool.Get(tx.Hash()); pooled != nil {
			sender = pooled.Sender()
		} else if sender, err = types.Sender(signer, tx); err != nil {
			continue // of a kind that this node does not know, and keeps none of
		}
		b.included = append(b.included, pool.Inclusion{Sender: sender, Nonce: tx.Nonce()})
	}
	return b, header.Parent(), nil
}

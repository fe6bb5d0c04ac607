package eth

import (
	"context"
	"errors"
	"sync"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/txpool"
	"github.com/ethereum/go-ethereum/core/types"

	"github.com/troupe-p2p/troupe/protocols"
	"github.com/troupe-p2p/troupe/protocols/eth/pool"
	"github.com/troupe-p2p/troupe/protocols/eth/txfetch"
)

const (
	// maxPushedBytes is the size of the pushed transactions that wait to be looked at, of all links. What
	// finds no room is dropped: others have it as well.
	maxPushedBytes = 64 << 20
	// pushedAhead is the size of those of one link beyond which the remote is held back.
	pushedAhead = 256 << 10
	// takeBatch is how many transactions are decoded at a time.
	takeBatch = 64
)

// intake has the messages Transactions of one link, until a goroutine has looked at them. It outlives
// the link's actor.
type intake struct {
	mu      sync.Mutex
	waiting [][]byte
	bytes   int // of waiting
	working bool
}

func (in *intake) add(list []byte) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.waiting = append(in.waiting, list)
	in.bytes += len(list)
}

// take returns the next message; ok is false if there is none, or one is being looked at.
func (in *intake) take() (list []byte, ok bool) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.working || len(in.waiting) == 0 {
		return nil, false
	}
	list = in.waiting[0]
	in.waiting[0] = nil
	in.waiting = in.waiting[1:]
	in.bytes -= len(list)
	in.working = true
	return list, true
}

func (in *intake) finish() {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.working = false
}

// full reports whether the remote has to be held back.
func (in *intake) full() bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.bytes >= pushedAhead
}

// taken is what was found in transactions that a remote has sent, for the service.
type taken struct {
	link    *protocols.Link
	request *txfetch.Request[*protocols.Link] // nil: they were pushed
	items   []txfetch.Item
	blobs   []blobTx      // valid ones, which wait for their cells
	refused []common.Hash // by the pool, or not valid
	failed  bool          // the request has no answer
}

// take looks at a list of transactions, of which there may be so many, and adds them to the pool. It
// takes long, because of the signatures, and must not run in an actor. Once the remote owes, the
// rest of the list is not looked at. An error is a breach of the protocol.
func (e *Eth) take(ctx context.Context, t *taken, list []byte, limit int) error {
	for txs, err := range txfetch.Decode(list, limit, takeBatch) {
		if err != nil {
			return err
		}
		if ctx.Err() != nil || peerOf(t.link).allowance.owes(e.clock.Now()) {
			break
		}
		e.takeBatch(ctx, t, txs)
	}
	return nil
}

func (e *Eth) takeBatch(ctx context.Context, t *taken, txs []*types.Transaction) {
	p, from := peerOf(t.link), originOf(t.link)
	queue := p.queueOf(t.link.Version())
	fresh := make([]*types.Transaction, 0, len(txs))
	for _, tx := range txs {
		item := txfetch.Inspect(t.link.Version(), tx)
		t.items = append(t.items, item)
		queue.Has(item.Hash)
		switch {
		case e.mempool.pool.Announced(item.Hash, from): // it is there already
		case item.Err != nil: // the fetcher is told of it
		default:
			fresh = append(fresh, tx)
		}
	}
	checked := e.mempool.checker.Check(ctx, e.rulesHead(), fresh)
	e.prepareAccounts(ctx, checked)
	for i, r := range checked {
		err := r.Err
		switch {
		case err != nil:
		case fresh[i].Type() == types.BlobTxType:
			t.blobs = append(t.blobs, blobTx{fresh[i], r.Sender})
		default:
			err = e.add(fresh[i], r.Sender, from)
		}
		switch {
		case err == nil, errors.Is(err, txpool.ErrAlreadyKnown):
		case ctx.Err() != nil:
			return
		default:
			t.refused = append(t.refused, fresh[i].Hash())
			p.allowance.spend(e.clock.Now(), 1)
			e.log.Debug("transaction refused", "hash", fresh[i].Hash(), "err", err)
		}
	}
}

// add adds a transaction that has been checked to the pool.
func (e *Eth) add(tx *types.Transaction, sender common.Address, from pool.Origin) error {
	pooled, err := pool.NewTx(tx, sender, types.CustodyBitmap{}, nil)
	if err != nil {
		return err
	}
	return e.mempool.pool.Add(e.clock.Now(), pooled, from)
}

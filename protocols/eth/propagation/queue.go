package propagation

import (
	"slices"
	"sync"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/rlp"

	"github.com/troupe-p2p/troupe/protocols/eth/announce"
	"github.com/troupe-p2p/troupe/protocols/eth/hashset"
	"github.com/troupe-p2p/troupe/protocols/eth/pool"
)

const (
	// maxQueued is how many transactions wait to be pushed to a peer, and how many to be announced.
	maxQueued = 4096
	// maxPushed is the size of a message of transactions in bytes from which on none is added.
	maxPushed = 100 << 10
)

// Queue has the transactions that a peer is to get, and knows which it has. All methods may be
// called from any goroutine, but Next from one at a time.
type Queue struct {
	version uint
	known   *hashset.Set

	mu       sync.Mutex
	push     []common.Hash
	announce []common.Hash
	dropped  uint64
	cursor   pool.Cursor // of the pool as it was when the link began
	told     bool        // the end was reached
}

// NewQueue returns the queue of a peer with the version of eth of its link. It begins with all that
// the pool has.
func NewQueue(version uint) *Queue {
	return &Queue{version: version, known: hashset.New(hashset.Limit)}
}

// Has notes that the peer has a transaction, because it has announced or sent it: it never gets it
// back.
func (q *Queue) Has(hash common.Hash) { q.known.Add(hash) }

// Knows reports whether the peer is known to have a transaction.
func (q *Queue) Knows(hash common.Hash) bool { return q.known.Has(hash) }

// Add queues a transaction, to be pushed or else announced, unless the peer has it. If too many wait,
// the oldest is dropped: the peer does not read.
func (q *Queue) Add(hash common.Hash, push bool) {
	if q.known.Has(hash) {
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	list := &q.announce
	if push {
		list = &q.push
	}
	if len(*list) >= maxQueued {
		*list = (*list)[1:]
		q.dropped++
	}
	*list = append(*list, hash)
}

// Dropped returns how many transactions found no room.
func (q *Queue) Dropped() uint64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.dropped
}

// Message is what to send to a peer: one of the two.
type Message struct {
	// Transactions is the payload of a message Transactions.
	Transactions []byte
	// Announcements is the payload of a message NewPooledTransactionHashes.
	Announcements []byte
}

// Next returns the next message to the peer. What has left the pool, or what the peer has by now, is
// passed over. Work is done in bounded steps: a message may be empty although there is more. What
// Next returns counts as known to the peer: a caller that cannot send it keeps it until it can.
func (q *Queue) Next(p *pool.Pool) (m Message, more bool, err error) {
	if hashes := q.take(&q.push); len(hashes) > 0 {
		m.Transactions, err = q.transactions(p, hashes)
		return m, true, err
	}
	if hashes := q.take(&q.announce); len(hashes) > 0 {
		txs := make([]*pool.Tx, 0, len(hashes))
		for _, hash := range hashes {
			if tx := p.Get(hash); tx != nil {
				txs = append(txs, tx)
			}
		}
		m.Announcements = q.announcements(txs)
		return m, true, nil
	}
	if q.told {
		return m, false, nil
	}
	list, cursor, done := p.After(q.cursor, announce.MaxHashes)
	q.cursor, q.told = cursor, done
	txs := make([]*pool.Tx, len(list))
	for i, out := range list {
		txs[i] = out.Tx
	}
	m.Announcements = q.announcements(txs)
	return m, true, nil
}

// transactions encodes transactions up to the size of a message. Those that do not fit wait.
func (q *Queue) transactions(p *pool.Pool, hashes []common.Hash) ([]byte, error) {
	var items []rlp.RawValue
	size := 0
	for i, hash := range hashes {
		if size >= maxPushed {
			q.putBack(&q.push, hashes[i:])
			break
		}
		tx := p.Get(hash)
		if tx == nil || !q.known.Add(hash) {
			continue
		}
		item, err := tx.Encode(q.version)
		if err != nil {
			return nil, err
		}
		items = append(items, item)
		size += len(item)
	}
	if len(items) == 0 {
		return nil, nil
	}
	return rlp.EncodeToBytes(items)
}

// announcements encodes an announcement. In eth/72 it has one mask for all blob transactions: those
// of which the pool has other columns wait for the next one.
func (q *Queue) announcements(txs []*pool.Tx) []byte {
	var list []announce.Tx
	var mask types.CustodyBitmap
	var later []common.Hash
	for _, tx := range txs {
		a, ok := tx.Announcement(q.version)
		if !ok || q.known.Has(a.Hash) {
			continue
		}
		if a.Type == types.BlobTxType && q.version >= announce.Masked {
			if mask == (types.CustodyBitmap{}) {
				mask = tx.Custody()
			} else if mask != tx.Custody() {
				later = append(later, a.Hash)
				continue
			}
		}
		q.known.Add(a.Hash)
		list = append(list, a)
	}
	q.putBack(&q.announce, later)
	if len(list) == 0 {
		return nil
	}
	return announce.Encode(q.version, list, mask)
}

// take removes the hashes for one message from a list.
func (q *Queue) take(list *[]common.Hash) []common.Hash {
	q.mu.Lock()
	defer q.mu.Unlock()
	n := min(announce.MaxHashes, len(*list))
	hashes := (*list)[:n:n]
	if *list = (*list)[n:]; len(*list) == 0 {
		*list = nil
	}
	return hashes
}

// putBack puts hashes before those in a list.
func (q *Queue) putBack(list *[]common.Hash, hashes []common.Hash) {
	if len(hashes) == 0 {
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	*list = slices.Concat(hashes, *list)
}

package verify

import (
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/rlp"

	"github.com/troupe-p2p/troupe/protocols/eth/chain"
	"github.com/troupe-p2p/troupe/protocols/eth/serve"
)

const (
	// maxParts is the number of answers that the receipts of one block may come in. A remote has
	// reason to cut only what does not fit in a message.
	maxParts = 64
	// maxPartial is the size in bytes of receipts whose root cannot be checked yet. Those of a block
	// that uses 500 million gas for logs alone have as many.
	maxPartial = 64 << 20
)

// Collector puts together the answers to a request for receipts from eth/70 on, which come in
// parts if they do not fit in a message. It belongs to one remote: with parts of several remotes it
// could not say which one lied. It holds at most the receipts of one block that is not whole, whose
// number and size are bounded by the gas that the header says was used.
type Collector struct {
	headers []Header
	answer  Answer
	next    int    // index of the block that the next answer begins with
	partial []byte // the content of that block's receipts so far
	count   uint64
	logs    uint64
	parts   int // answers that partial came in
}

// NewCollector returns a Collector for the receipts of blocks, whose headers are known.
func NewCollector(headers []Header) *Collector {
	return &Collector{headers: headers, answer: newAnswer(headers)}
}

// Next returns what the next request has to ask for: the first receipt of the first block, and
// the blocks.
func (c *Collector) Next() (first uint64, hashes []common.Hash) {
	for _, h := range c.headers[c.next:] {
		hashes = append(hashes, h.Hash)
	}
	return c.count, hashes
}

// Held returns the size in bytes of the receipts that are held and not checked.
func (c *Collector) Held() int { return len(c.partial) }

// Answer returns what has been collected, to be taken when Add says that the remote has no more to say, or
// when it gave no answer.
func (c *Collector) Answer() Answer { return c.answer }

// Add checks an answer to what Next has asked for. more is true if the last block is not whole and
// the remote is to be asked for the rest. After an error the Collector is of no use, but what was
// collected is right.
func (c *Collector) Add(list []byte, incomplete bool) (more bool, err error) {
	items, wrong := split(list, len(c.headers)-c.next)
	if wrong != nil {
		return false, wrong
	}
	if len(items) == 0 {
		if incomplete {
			return false, whole(FieldIncomplete, "set in an answer without receipts", nil)
		}
		return false, nil
	}
	if wrong := c.add(items, incomplete); wrong != nil {
		return false, wrong
	}
	return incomplete, nil
}

// add takes the lists of an answer. The first continues the block that is not whole.
func (c *Collector) add(items [][]byte, incomplete bool) *Error {
	last := len(items) - 1
	if c.count > 0 {
		if last == 0 && incomplete {
			return c.keep(items[0], 0)
		}
		if wrong := c.finish(items[0]); wrong != nil {
			return wrong
		}
		items, last = items[1:], last-1
	}
	whole := items
	if incomplete {
		whole = items[:last]
	}
	read, wrong := receiptItems(whole, mostTransactions(c.headers[c.next:]), func(b []byte) (common.Hash, []byte, error) {
		root, err := chain.ReceiptsRoot(b)
		return root, b, err
	})
	if wrong != nil {
		return wrong
	}
	if c.next, wrong = c.answer.fill(chain.Receipts, c.headers, c.next, read); wrong != nil {
		return wrong
	}
	if incomplete {
		return c.keep(items[last], len(whole))
	}
	return nil
}

// keep holds receipts whose block is not whole.
func (c *Collector) keep(list []byte, index int) *Error {
	if c.next == len(c.headers) {
		return (&Error{Field: FieldCount, Got: "receipts after those of the last block"}).at(index, nil)
	}
	h := &c.headers[c.next]
	wrong := func(f Field, got, want any) *Error {
		return (&Error{Field: f, Got: got, Want: want}).at(index, h)
	}
	limit := h.maxTransactions()
	if err := checkReceiptCount(list, limit-min(limit, c.count)); err != nil {
		return err.at(index, h)
	}
	count, logs, err := chain.SizeOfReceipts(list)
	if err != nil {
		return (&Error{Field: FieldEncoding, Err: err}).at(index, h)
	}
	content, _, _ := rlp.SplitList(list) // SizeOfReceipts has split it
	switch {
	case count == 0 && (index == 0 || c.count > 0):
		return wrong(FieldIncomplete, "set in an answer without a further receipt", nil)
	case c.logs+logs > h.maxLogs():
		return wrong(FieldLogs, c.logs+logs, h.maxLogs())
	case len(c.partial)+len(content) > maxPartial:
		return wrong(FieldSize, len(c.partial)+len(content), maxPartial)
	case c.parts == maxParts:
		return wrong(FieldParts, "more", maxParts)
	}
	if count > 0 {
		c.partial = append(c.partial, content...)
		c.count, c.logs, c.parts = c.count+uint64(count), c.logs+logs, c.parts+1
	}
	return nil
}

// finish takes the last receipts of the block that is not whole.
func (c *Collector) finish(list []byte) *Error {
	h := &c.headers[c.next]
	limit := h.maxTransactions()
	if err := checkReceiptCount(list, limit-min(limit, c.count)); err != nil {
		return err.at(0, h)
	}
	content, _, err := rlp.SplitList(list)
	if err != nil {
		return (&Error{Field: FieldEncoding, Err: err}).at(0, h)
	}
	all := make([]byte, 0, 9+len(c.partial)+len(content))
	all = serve.AppendListHead(all, len(c.partial)+len(content))
	all = append(append(all, c.partial...), content...)
	c.partial, c.count, c.logs, c.parts = nil, 0, 0, 0
	root, err := chain.ReceiptsRoot(all)
	if err != nil {
		return (&Error{Field: FieldEncoding, Err: err}).at(0, h)
	}
	if wrong := checkReceiptsRoot(root, h); wrong != nil {
		return wrong.at(0, h)
	}
	c.answer.set(c.next, chain.Receipts, h, all)
	c.next++
	return nil
}

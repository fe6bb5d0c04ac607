package window

import (
	"github.com/ethereum/go-ethereum/common"

	"github.com/troupe-p2p/troupe/protocols/eth/chain"
	"github.com/troupe-p2p/troupe/protocols/eth/serve"
	"github.com/troupe-p2p/troupe/protocols/eth/verify"
)

// NeedHeaders returns the query for the headers that are missing below the others; ok is false if
// there are none: the window is full, begins with the genesis block, or joins what lies below.
func (w *Window) NeedHeaders() (q serve.HeadersQuery, ok bool) {
	w.mu.RLock()
	defer w.mu.RUnlock()
	if len(w.blocks) == 0 || len(w.blocks) >= Headers || w.blocks[0].Number == 0 {
		return q, false
	}
	q.Origin.Hash = w.blocks[0].Parent()
	q.Amount = min(uint64(Headers-len(w.blocks)), w.blocks[0].Number)
	q.Reverse = true
	return q, true
}

// Missing returns headers of blocks of which a part is missing and not asked for, at most limit, from
// the head down. They count as asked for until Put or Failed. have, if not nil, says of a block that the
// files have the part, so that it is not asked for: of this block, not of another one with its number.
func (w *Window) Missing(p chain.Part, limit int, have func(h *verify.Header) bool) (headers []verify.Header) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i := len(w.blocks) - 1; i >= max(0, len(w.blocks)-maxBlocks) && len(headers) < limit; i-- {
		b := w.blocks[i]
		if b.parts[p] != nil || b.asked[p] || b.dropped || !w.has(p, b) || have != nil && have(&b.Header) {
			continue
		}
		b.asked[p] = true
		headers = append(headers, b.Header)
	}
	return headers
}

// has reports whether a block of the window should have a part.
func (w *Window) has(p chain.Part, b *block) bool {
	switch p {
	case chain.Body, chain.Receipts:
		return true
	case chain.AccessList:
		return w.cfg.AccessLists && b.Fields.BlockAccessListHash != nil
	}
	return false
}

// Failed says that a part of blocks was not found. It is missing again.
func (w *Window) Failed(p chain.Part, hashes ...common.Hash) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, hash := range hashes {
		if n, ok := w.numbers[hash]; ok {
			w.at(n).asked[p] = false
		}
	}
}

// Forget says that nothing is asked for any more, after a crash of the asker.
func (w *Window) Forget() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, b := range w.blocks {
		b.asked = [chain.Parts]bool{}
	}
}

// Put takes a part of a block. For the body of a canonical block, which was not there before, it returns
// the block's transactions. If the parts take too much room, those of the oldest blocks go, and are
// not missing any more.
func (w *Window) Put(part verify.Part) (included Inclusion, ok bool) {
	if part.None() {
		return included, false
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	n, canonical := w.numbers[part.Header().Hash]
	if !canonical {
		return included, false
	}
	b, p := w.at(n), part.Kind()
	b.asked[p] = false
	if b.parts[p] != nil || !w.has(p, b) || len(w.blocks)-int(n-w.blocks[0].Number) > maxBlocks {
		return included, false
	}
	if !b.dropped {
		b.parts[p] = part.Encoded()
		w.bytes += len(part.Encoded())
		w.makeRoom()
	}
	if p != chain.Body {
		return included, false
	}
	return inclusion(b, part.Encoded()), true
}

// makeRoom drops parts of the oldest blocks until the others are within the bound.
func (w *Window) makeRoom() {
	for _, b := range w.blocks {
		if w.bytes <= w.cfg.Bytes {
			return
		}
		held := false
		for _, part := range b.parts {
			held = held || part != nil
		}
		if held {
			w.dropParts(b)
			b.dropped = true
		}
	}
}

// inclusion returns the transactions of a block. Its body was checked, so that it can be read.
func inclusion(b *block, body []byte) Inclusion {
	hashes, err := chain.TransactionHashes(body)
	if err != nil {
		return Inclusion{Block: b.Header}
	}
	return Inclusion{Block: b.Header, Transactions: hashes}
}

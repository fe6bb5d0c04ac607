package window

import (
	"math"

	"github.com/ethereum/go-ethereum/common"

	"github.com/troupe-p2p/troupe/protocols/eth/chain"
	"github.com/troupe-p2p/troupe/protocols/eth/verify"
)

// Head returns the header of the head; ok is false while there is none.
func (w *Window) Head() (h verify.Header, ok bool) {
	w.mu.RLock()
	defer w.mu.RUnlock()
	if len(w.blocks) == 0 {
		return h, false
	}
	return w.head().Header, true
}

// Number implements serve.Source. A block of the files that the window has another one for is not
// canonical.
func (w *Window) Number(hash common.Hash) (number uint64, ok bool) {
	number, first, ok := w.lookUp(hash)
	if ok || w.cfg.Below == nil {
		return number, ok
	}
	number, ok = w.cfg.Below.Number(hash)
	return number, ok && number < first
}

// RecallNumber implements serve.Recaller.
func (w *Window) RecallNumber(hash common.Hash) (number uint64, ok bool) {
	number, first, ok := w.lookUp(hash)
	if ok || w.recall == nil {
		return number, ok
	}
	number, ok = w.recall.RecallNumber(hash)
	return number, ok && number < first
}

// lookUp returns the number of a block of the window; ok is false if it has none with that hash.
// Blocks from number first on are the window's alone.
func (w *Window) lookUp(hash common.Hash) (number, first uint64, ok bool) {
	w.mu.RLock()
	defer w.mu.RUnlock()
	number, ok = w.numbers[hash]
	first, some := w.first()
	if !some {
		first = math.MaxUint64
	}
	return number, first, ok
}

// first returns the number of the window's first block; ok is false if it has none.
func (w *Window) first() (n uint64, ok bool) {
	if len(w.blocks) == 0 {
		return 0, false
	}
	return w.blocks[0].Number, true
}

// Read implements serve.Source.
func (w *Window) Read(p chain.Part, n uint64) ([]byte, error) {
	found, hash, below := w.find(p, n)
	switch {
	case found != nil:
		return found, nil
	case !below, hash != common.Hash{} && !w.belowHas(n, hash):
		return nil, chain.ErrAbsent
	}
	return w.cfg.Below.Read(p, n)
}

// Recall implements serve.Recaller.
func (w *Window) Recall(p chain.Part, n uint64) (part []byte, ok bool) {
	found, hash, below := w.find(p, n)
	switch {
	case found != nil:
		return found, true
	case !below || w.recall == nil:
		return nil, false
	case hash != common.Hash{}:
		if theirs, ok := w.recall.RecallNumber(hash); !ok || theirs != n {
			return nil, false
		}
	}
	return w.recall.Recall(p, n)
}

// find returns a part that the window has, or nil. Then below says whether what lies below may have
// it, in a block with the hash if that is not zero.
func (w *Window) find(p chain.Part, n uint64) (found []byte, hash common.Hash, below bool) {
	w.mu.RLock()
	defer w.mu.RUnlock()
	first, some := w.first()
	b := w.at(n)
	if b == nil {
		return nil, hash, w.cfg.Below != nil && (!some || n < first) // else after the head
	}
	if p == chain.Header {
		return b.Encoded, b.Hash, false
	}
	return b.parts[p], b.Hash, w.cfg.Below != nil
}

// belowHas reports whether a block of the files is the window's.
func (w *Window) belowHas(n uint64, hash common.Hash) bool {
	if w.cfg.Below == nil {
		return false
	}
	theirs, ok := w.cfg.Below.Number(hash)
	return ok && theirs == n
}

// Side implements serve.Source: it has the headers of branches that were left.
func (w *Window) Side(hash common.Hash) (header []byte, ok bool) {
	w.mu.RLock()
	h, ok := w.sides[hash]
	w.mu.RUnlock()
	if ok {
		return h.Encoded, true
	}
	if w.cfg.Below == nil {
		return nil, false
	}
	return w.cfg.Below.Side(hash)
}

// Run returns the head, and the first block of the run without gaps that ends at it: of each the
// header, body and receipts are there, in the window or below. ok is false if there is no head, or it
// is not whole: then there is nothing to announce. It reads files.
func (w *Window) Run() (head chain.Block, first uint64, ok bool) {
	w.mu.RLock()
	if len(w.blocks) == 0 {
		w.mu.RUnlock()
		return head, 0, false
	}
	last := w.head()
	head = chain.Block{Number: last.Number, Hash: last.Hash, Time: last.Fields.Time}
	n, parent := uint64(math.MaxUint64), last.Hash // of the block that is looked at next: its hash
	for i := len(w.blocks) - 1; i >= 0; i-- {
		b := w.blocks[i]
		if n = b.Number; b.parts[chain.Body] == nil || b.parts[chain.Receipts] == nil {
			break
		}
		first, ok, parent = n, true, b.Parent()
		if n == 0 {
			break
		}
		n--
	}
	w.mu.RUnlock()
	if ok && first == 0 || !w.belowHas(n, parent) {
		return head, first, ok
	}
	if run, joined := w.cfg.Below.Run(n, chain.Header, chain.Body, chain.Receipts); joined {
		first, ok = run, true
	} else if n == 0 && w.hasGenesis() {
		first, ok = 0, true
	}
	if first == 1 && w.hasGenesis() {
		first = 0 // it needs no file
	}
	return head, first, ok
}

// hasGenesis reports whether all of the genesis block can be read below.
func (w *Window) hasGenesis() bool {
	for _, p := range []chain.Part{chain.Header, chain.Body, chain.Receipts} {
		if _, err := w.cfg.Below.Read(p, 0); err != nil {
			return false
		}
	}
	return true
}

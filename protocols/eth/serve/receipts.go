package serve

import (
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/rlp"

	"github.com/troupe-p2p/troupe/protocols/eth/chain"
)

// Receipts69 returns the receipts of blocks in the form of eth/69, up to the first block whose
// receipts the source does not have, or that does not fit in the message.
func Receipts69(src Source, hashes []common.Hash) []byte {
	return parts(src, chain.Receipts, hashes, nil)
}

// Receipts68 is Receipts69 with the form of eth/68, which has blooms.
func Receipts68(src Source, hashes []common.Hash) []byte {
	return parts(src, chain.Receipts, hashes, chain.ConsensusReceipts)
}

// Receipts70 returns the receipts of blocks in the form of eth/70. Of the first block those before
// index first are left out. Of a block with more than the soft limit, the last in its answer, the receipts
// that fit in the limit are there, at least one, and incomplete is true. go-ethereum cuts at the size of a
// message; an answer that waits to be written would hold five times the memory.
func Receipts70(src Source, hashes []common.Hash, first uint64) (answer []byte, incomplete bool) {
	l := listOf(len(hashes))
	for _, hash := range hashes {
		if l.full() {
			break
		}
		n, ok := src.Number(hash)
		if !ok {
			break
		}
		all, err := src.Read(chain.Receipts, n)
		if err != nil {
			break
		}
		item, cut, ok := cutReceipts(all, first, softLimit-l.size, l.room())
		if !ok || !l.add(item) {
			break
		}
		if cut {
			return l.encode(), true
		}
		first = 0
	}
	return l.encode(), false
}

// cutReceipts returns a block's receipts from index first on. Those of a block beyond the soft limit are
// as many as fit in soft bytes, and at least one if it fits in room bytes. cut is true if some are
// missing; ok is false if there is none, or the receipts are malformed.
func cutReceipts(all []byte, first uint64, soft, room int) (part []byte, cut, ok bool) {
	if first == 0 && len(all) <= min(softLimit, room) {
		return all, false, true
	}
	content, _, err := rlp.SplitList(all)
	if err != nil {
		return nil, false, false
	}
	for ; first > 0 && len(content) > 0; first-- {
		if _, _, content, err = rlp.Split(content); err != nil {
			return nil, false, false
		}
	}
	end := 0
	for end < len(content) {
		_, _, rest, err := rlp.Split(content[end:])
		if err != nil {
			return nil, false, false
		}
		next := len(content) - len(rest)
		if size := listSize(next); size > room || size > soft && end > 0 {
			cut = true
			break
		}
		end = next
	}
	if cut && end == 0 {
		return nil, false, false
	}
	return append(AppendListHead(make([]byte, 0, end+9), end), content[:end]...), cut, true
}

package serve

import (
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/rlp"

	"github.com/troupe-p2p/troupe/protocols/eth/chain"
)

// Receipts69 returns the receipts of blocks in the form of eth/69, up to the first block whose
// receipts the source does not have, or that does not fit in the message.
func Receipts69(src Source, hashes []common.Hash) []byte { return parts(src, chain.Receipts, hashes) }

// Receipts68 is Receipts69 with the form of eth/68, which has blooms.
func Receipts68(src Source, hashes []common.Hash) []byte {
	return parts(withBlooms{src}, chain.Receipts, hashes)
}

// withBlooms is a source whose receipts have the form of eth/68.
type withBlooms struct{ Source }

func (s withBlooms) Read(p chain.Part, number uint64) ([]byte, error) {
	b, err := s.Source.Read(p, number)
	if err != nil || p != chain.Receipts {
		return b, err
	}
	return chain.ConsensusReceipts(b)
}

// Receipts70 returns the receipts of blocks in the form of eth/70. Of the first block those before
// index first are left out. If the last block's do not fit in the message, the ones that fit are
// there, and incomplete is true. A block of which not one receipt fits is left to the next request.
func Receipts70(src Source, hashes []common.Hash, first uint64) (answer []byte, incomplete bool) {
	var l list
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
		item, cut, ok := cutReceipts(all, first, l.room())
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

// cutReceipts returns a block's receipts from index first on, as many as fit in room bytes. cut
// is true if some did not fit; ok is false if none did, or the receipts are malformed.
func cutReceipts(all []byte, first uint64, room int) (part []byte, cut, ok bool) {
	if first == 0 && len(all) <= room {
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
		if listSize(next) > room {
			cut = true
			break
		}
		end = next
	}
	if cut && end == 0 {
		return nil, false, false
	}
	return append(appendListHead(make([]byte, 0, end+9), end), content[:end]...), cut, true
}

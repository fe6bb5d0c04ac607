package serve

import (
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/rlp"

	"github.com/troupe-p2p/troupe/protocols/eth/chain"
)

// parts returns a part of each block in turn, up to the first that is not there. form, if set, changes
// the form of an item, which gets no smaller by that.
func parts(src Source, p chain.Part, hashes []common.Hash, form func([]byte) ([]byte, error)) []byte {
	l := listOf(len(hashes))
	for _, hash := range hashes {
		if l.full() {
			break
		}
		n, ok := src.Number(hash)
		if !ok {
			break
		}
		item, err := src.Read(p, n)
		if err == nil && form != nil && len(item) <= l.room() {
			item, err = form(item)
		}
		if err != nil || !l.add(item) {
			break
		}
	}
	return l.encode()
}

// Bodies returns the bodies of blocks, up to the first that the source does not have.
func Bodies(src Source, hashes []common.Hash) []byte { return parts(src, chain.Body, hashes, nil) }

// AccessLists returns the block access lists of blocks, one item for each hash. The item of a list
// that the source does not have is the empty string: an empty list is a valid one (EIP-8159). The
// answer is cut at its end only.
func AccessLists(src Source, hashes []common.Hash) []byte {
	l := listOf(len(hashes))
	for _, hash := range hashes {
		if l.full() {
			break
		}
		item := rlp.EmptyString
		if n, ok := src.Number(hash); ok {
			if b, err := src.Read(chain.AccessList, n); err == nil {
				item = b
			}
		}
		if !l.add(item) {
			break
		}
	}
	return l.encode()
}

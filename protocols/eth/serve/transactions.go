package serve

import "github.com/ethereum/go-ethereum/common"

// maxLookups is the number of hashes of a request for transactions that are looked up.
const maxLookups = 4096

// Transactions returns the transactions that get has, in the order of the request (the list of
// PooledTransactions). get returns the item for the list, or nil: what is not there leaves no gap in
// the list. What does not fit in is cut off at the end.
func Transactions(hashes []common.Hash, get func(common.Hash) ([]byte, error)) ([]byte, error) {
	var l list
	for i, hash := range hashes {
		if i >= maxLookups || l.size >= softLimit {
			break
		}
		item, err := get(hash)
		if err != nil {
			return nil, err
		}
		if len(item) > 0 && !l.add(item) {
			break
		}
	}
	return l.encode(), nil
}

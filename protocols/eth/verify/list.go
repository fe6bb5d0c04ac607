package verify

import (
	"errors"

	"github.com/ethereum/go-ethereum/rlp"
)

// split returns the items of an encoded list, at most limit. They are slices of it.
func split(list []byte, limit int) ([][]byte, *Error) {
	content, after, err := rlp.SplitList(list)
	if err == nil && len(after) != 0 {
		err = errors.New("bytes after the list")
	}
	if err != nil {
		return nil, &Error{Field: FieldEncoding, Item: -1, Err: err}
	}
	var items [][]byte
	for len(content) > 0 {
		if len(items) >= limit {
			return nil, whole(FieldCount, "more than was asked for", limit)
		}
		_, _, rest, err := rlp.Split(content)
		if err != nil {
			return nil, (&Error{Field: FieldEncoding, Err: err}).at(len(items), nil)
		}
		items = append(items, content[:len(content)-len(rest)])
		content = rest
	}
	return items, nil
}

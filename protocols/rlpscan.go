package protocols

import (
	"reflect"

	"github.com/ethereum/go-ethereum/rlp"
)

// These functions examine RLP without decoding it. None of them recurses, however deeply the
// remote has nested lists.

// countItems counts values at all depths, up to one more than enough. It stops at invalid RLP:
// decoding will report that.
func countItems(b []byte, enough int) int {
	n := 0
	for len(b) > 0 && n <= enough {
		kind, content, rest, err := rlp.Split(b)
		if err != nil {
			return n
		}
		n++
		b = rest
		if kind == rlp.List && len(content) > 0 {
			// The elements come next, then what follows the list: they are contiguous.
			b = content[:len(content)+len(rest)]
		}
	}
	return n
}

// cutTrailing drops the elements of a list after the first keep. A payload that is not a list, or
// is no longer than that, is returned unchanged.
func cutTrailing(payload []byte, keep int) []byte {
	content, behind, err := rlp.SplitList(payload)
	if err != nil || len(behind) > 0 {
		return payload
	}
	rest := content
	for range keep {
		if len(rest) == 0 {
			return payload
		}
		if _, _, rest, err = rlp.Split(rest); err != nil {
			return payload
		}
	}
	if len(rest) == 0 {
		return payload
	}
	// The dropped elements must be RLP as well.
	if _, err := rlp.CountValues(rest); err != nil {
		return payload
	}
	kept := rlp.RawValue(content[:len(content)-len(rest)])
	cut, err := rlp.EncodeToBytes([]rlp.RawValue{kept})
	if err != nil {
		return payload
	}
	return cut
}

// countFields returns how many elements a struct has as RLP.
func countFields(t reflect.Type) int {
	n := 0
	for f := range t.Fields() {
		if f.IsExported() && !ignoredField(f) {
			n++
		}
	}
	return n
}

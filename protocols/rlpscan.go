package protocols

import (
	"reflect"

	"github.com/ethereum/go-ethereum/rlp"
)

// What can be said about RLP without decoding it. Nothing here recurses, whatever the
// remote has nested.

// countItems counts values at all depths, up to one more than enough. Where the bytes
// are no RLP it stops: decoding will say so.
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
			// The elements come next and then what is behind the list: they lie in a row.
			b = content[:len(content)+len(rest)]
		}
	}
	return n
}

// cutTrailing drops the elements of a list beyond the first so many. What is no list,
// or no longer than that, it returns as it is.
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
	// The elements that are left out must be RLP as well.
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

// countFields is how many elements a struct has as RLP.
func countFields(t reflect.Type) int {
	n := 0
	for f := range t.Fields() {
		if f.IsExported() && !ignoredField(f) {
			n++
		}
	}
	return n
}

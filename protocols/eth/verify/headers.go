package verify

import (
	"bytes"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/rlp"

	"github.com/troupe-p2p/troupe/protocols/eth/serve"
)

// Bounds of a header. The real ones have some 600 bytes; a list of signers in the extra data needs
// more. Those of numbers are go-ethereum's.
const (
	maxHeader         = 128 << 10 // bytes
	maxDifficultyBits = 80
	maxBaseFeeBits    = 256
)

// Header is a header with its hash. Nothing in it may be changed.
type Header struct {
	Number  uint64
	Hash    common.Hash
	Fields  *types.Header
	Encoded []byte
}

// Parent returns the hash of the block before.
func (h *Header) Parent() common.Hash { return h.Fields.ParentHash }

// DecodeHeader reads an encoded header. Its error is an [*Error].
func DecodeHeader(encoded []byte) (Header, error) {
	h, err := decodeHeader(encoded)
	if err != nil {
		return Header{}, err.at(-1, nil)
	}
	return h, nil
}

func decodeHeader(encoded []byte) (h Header, wrong *Error) {
	if len(encoded) > maxHeader {
		return h, &Error{Field: FieldSize, Got: len(encoded), Want: maxHeader}
	}
	f := new(types.Header)
	if err := rlp.DecodeBytes(encoded, f); err != nil {
		return h, &Error{Field: FieldEncoding, Err: err}
	}
	switch {
	case !f.Number.IsUint64():
		return h, &Error{Field: FieldNumber, Got: f.Number}
	case f.Difficulty.BitLen() > maxDifficultyBits:
		return h, &Error{Field: FieldDifficulty, Got: f.Difficulty}
	case f.BaseFee != nil && f.BaseFee.BitLen() > maxBaseFeeBits:
		return h, &Error{Field: FieldBaseFee, Got: f.BaseFee}
	case f.GasUsed > f.GasLimit:
		return h, &Error{Field: FieldGasUsed, Got: f.GasUsed, Want: f.GasLimit}
	}
	return Header{Number: f.Number.Uint64(), Hash: crypto.Keccak256Hash(encoded), Fields: f, Encoded: bytes.Clone(encoded)}, nil
}

// Headers checks the answer to a query for headers: their count, the origin, and that each is the
// next one by its number, and by the parent's hash if no headers are skipped.
func Headers(q serve.HeadersQuery, list []byte) ([]Header, error) {
	items, wrong := split(list, int(min(q.Amount, serve.MaxItems)))
	if wrong != nil {
		return nil, wrong
	}
	headers := make([]Header, 0, len(items))
	for i, item := range items {
		h, wrong := decodeHeader(item)
		if wrong == nil && i == 0 {
			wrong = checkOrigin(&q, &h)
		} else if wrong == nil {
			wrong = checkNext(&q, &headers[i-1], &h)
		}
		if wrong != nil {
			return nil, wrong.at(i, nil)
		}
		headers = append(headers, h)
	}
	return headers, nil
}

func checkOrigin(q *serve.HeadersQuery, h *Header) *Error {
	switch {
	case q.Origin.Hash != (common.Hash{}):
		if h.Hash != q.Origin.Hash {
			return &Error{Field: FieldHash, Got: h.Hash, Want: q.Origin.Hash}
		}
	case h.Number != q.Origin.Number:
		return &Error{Field: FieldNumber, Got: h.Number, Want: q.Origin.Number}
	}
	return nil
}

// checkNext checks a header against the one before it in the answer. The arithmetic is checked:
// the end of the numbers has no next header.
func checkNext(q *serve.HeadersQuery, last, h *Header) *Error {
	number, ok := q.Next(last.Number)
	switch {
	case !ok:
		return &Error{Field: FieldCount, Got: "a header after the last possible number"}
	case h.Number != number:
		return &Error{Field: FieldNumber, Got: h.Number, Want: number}
	case q.Skip != 0:
	case q.Reverse && h.Hash != last.Parent():
		return &Error{Field: FieldHash, Got: h.Hash, Want: last.Parent()}
	case !q.Reverse && h.Parent() != last.Hash:
		return &Error{Field: FieldParent, Got: h.Parent(), Want: last.Hash}
	}
	return nil
}

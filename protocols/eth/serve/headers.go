package serve

import (
	"io"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/rlp"

	"github.com/troupe-p2p/troupe/protocols/eth/chain"
)

// Origin is the block at which a request for headers begins: by hash, or by number if the hash
// is zero.
type Origin struct {
	Hash   common.Hash
	Number uint64
}

// EncodeRLP implements rlp.Encoder.
func (o *Origin) EncodeRLP(w io.Writer) error {
	if o.Hash != (common.Hash{}) {
		return rlp.Encode(w, o.Hash)
	}
	return rlp.Encode(w, o.Number)
}

// DecodeRLP implements rlp.Decoder. 32 bytes are a hash, up to eight a number.
func (o *Origin) DecodeRLP(s *rlp.Stream) error {
	*o = Origin{}
	kind, size, err := s.Kind()
	switch {
	case err != nil:
		return err
	case kind == rlp.String && size == common.HashLength:
		return s.Decode(&o.Hash)
	default:
		return s.Decode(&o.Number)
	}
}

// HeadersQuery is a request for headers (GetBlockHeaders).
type HeadersQuery struct {
	Origin  Origin
	Amount  uint64
	Skip    uint64 // blocks between two headers
	Reverse bool   // towards genesis
}

// Headers returns the headers that a query asks for, up to the first that the source does not
// have. None is an empty list. All arithmetic is checked: a remote chooses the numbers.
func Headers(src Source, q HeadersQuery) []byte {
	limit := int(min(q.Amount, MaxItems))
	l := listOf(limit)
	if limit == 0 {
		return l.encode()
	}
	n := q.Origin.Number
	if q.Origin.Hash != (common.Hash{}) {
		var ok bool
		if n, ok = src.Number(q.Origin.Hash); !ok {
			n, ok = sideHeaders(src, q, limit, &l)
			if !ok {
				return l.encode()
			}
		}
	}
	for len(l.content) < limit && !l.full() {
		header, err := src.Read(chain.Header, n)
		if err != nil || !l.add(header) {
			break
		}
		next, ok := q.Next(n)
		if !ok {
			break
		}
		n = next
	}
	return l.encode()
}

// Next returns the number of the header after that of block n; ok is false at the end of the
// numbers.
func (q *HeadersQuery) Next(n uint64) (next uint64, ok bool) {
	step := q.Skip + 1
	if step == 0 {
		return 0, false // more than there are numbers
	}
	if q.Reverse {
		return n - step, step <= n
	}
	return n + step, n+step > n
}

// sideHeaders serves a block off the canonical chain, and with Reverse its ancestors. It returns
// the number at which the canonical chain goes on with the query; ok is false if it does not.
func sideHeaders(src Source, q HeadersQuery, limit int, l *list) (number uint64, ok bool) {
	hash := q.Origin.Hash
	skip := uint64(0) // headers to pass over before the next that is sent
	for {
		header, found := src.Side(hash)
		if !found {
			number, found := src.Number(hash)
			if !found || skip > number {
				return 0, false
			}
			return number - skip, true
		}
		if skip == 0 {
			if len(l.content) >= limit || l.full() || !l.add(header) || !q.Reverse || q.Skip+1 == 0 {
				return 0, false
			}
			skip = q.Skip + 1
		}
		var h types.Header
		if err := rlp.DecodeBytes(header, &h); err != nil {
			return 0, false
		}
		hash, skip = h.ParentHash, skip-1
	}
}

package verify

import (
	"bytes"

	"github.com/troupe-p2p/troupe/protocols/eth/chain"
)

// Part is a part of a block that fits the block's header. The zero Part is none.
type Part struct {
	kind    chain.Part
	header  *Header
	encoded []byte
}

// None reports whether there is no part.
func (p Part) None() bool { return p.header == nil }

// Kind says which part it is.
func (p Part) Kind() chain.Part { return p.kind }

// Header returns the header that the part belongs to.
func (p Part) Header() *Header { return p.header }

// Encoded returns the part as RLP, receipts in the form of eth/69. It must not be changed.
func (p Part) Encoded() []byte { return p.encoded }

// Answer is what an answer has of what was asked for.
type Answer struct {
	Parts []Part // one for each block of the request, in its order
	// Spoken is how many blocks of the request the answer speaks of. Of those the remote lacks what
	// is not there. If it speaks of none, the remote lacks the first; the rest may have had no room.
	Spoken int
}

func newAnswer(headers []Header) Answer { return Answer{Parts: make([]Part, len(headers))} }

func (a *Answer) set(i int, kind chain.Part, h *Header, encoded []byte) {
	a.Parts[i] = Part{kind: kind, header: h, encoded: bytes.Clone(encoded)}
	a.Spoken = i + 1
}

// fill pairs the items of an answer with the headers from index next on, by what is in them: a
// remote may leave out a block that it does not have. The order is the request's. fill returns the
// index of the header after the last one that was paired.
func (a *Answer) fill(kind chain.Part, headers []Header, next int, items []item) (int, *Error) {
	for i, it := range items {
		j := next
		for j < len(headers) && it.check(&headers[j]) != nil {
			j++
		}
		if j == len(headers) {
			return next, ofNone(it, headers, next).at(i, nil)
		}
		a.set(j, kind, &headers[j], it.encoded)
		next = j + 1
	}
	return next, nil
}

// ofNone returns what is wrong with an item that is of none of the headers from index next on.
func ofNone(it item, headers []Header, next int) *Error {
	h := &headers[min(next, len(headers)-1)]
	wrong := it.check(h)
	if wrong == nil {
		wrong = &Error{Field: FieldCount, Got: "the last block's twice"}
	}
	wrong.Block = &h.Number
	return wrong
}

// item is an item of an answer whose roots are known.
type item struct {
	encoded []byte // in the form that a Part has
	check   func(h *Header) *Error
}

package verify

import (
	"bytes"

	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/rlp"

	"github.com/troupe-p2p/troupe/protocols/eth/chain"
)

// AccessLists checks the answer to a request for the block access lists of blocks, whose headers
// are known. It has one item for each block, up to where it is cut. The empty string stands for
// one that the remote lacks (EIP-8159); an empty list does not, it is the list of a block that
// touches nothing.
func AccessLists(headers []Header, list []byte) (Answer, error) {
	a := newAnswer(headers)
	items, wrong := split(list, len(headers))
	if wrong != nil {
		return a, wrong
	}
	for i, b := range items {
		if bytes.Equal(b, rlp.EmptyString) {
			continue
		}
		h := &headers[i]
		if wrong := checkAccessList(b, h); wrong != nil {
			return newAnswer(headers), wrong.at(i, h)
		}
		a.set(i, chain.AccessList, h, b)
	}
	a.Spoken = len(items)
	return a, nil
}

func checkAccessList(b []byte, h *Header) *Error {
	if kind, _, _, err := rlp.Split(b); err != nil || kind != rlp.List {
		return &Error{Field: FieldEncoding, Got: "not a list"}
	}
	got, want := crypto.Keccak256Hash(b), h.Fields.BlockAccessListHash
	switch {
	case want == nil:
		return &Error{Field: FieldAccessList, Got: got, Want: "no list"}
	case got != *want:
		return &Error{Field: FieldAccessList, Got: got, Want: *want}
	}
	return nil
}

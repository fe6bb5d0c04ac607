package eth

import (
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/rlp"

	"github.com/troupe-p2p/troupe/protocols/eth/chain"
	"github.com/troupe-p2p/troupe/protocols/eth/history"
	"github.com/troupe-p2p/troupe/protocols/eth/verify"
	"github.com/troupe-p2p/troupe/protocols/eth/window"
)

// Files is a source of blocks: history files, and the genesis block, which not all of them have.
type Files struct {
	*history.Archive
	hash    common.Hash
	genesis map[chain.Part][]byte
}

// NewFiles returns the source of an archive of the network.
func NewFiles(a *history.Archive, n *chain.Network) (*Files, error) {
	header, err := rlp.EncodeToBytes(n.Genesis.Header())
	if err != nil {
		return nil, err
	}
	body := n.Genesis.Body()
	if n.Genesis.Header().WithdrawalsHash != nil && body.Withdrawals == nil {
		body.Withdrawals = types.Withdrawals{}
	}
	encoded, err := rlp.EncodeToBytes(body)
	return &Files{Archive: a, hash: n.Genesis.Hash(), genesis: map[chain.Part][]byte{
		chain.Header: header, chain.Body: encoded, chain.Receipts: {0xc0},
	}}, err
}

// Number implements serve.Source.
func (f *Files) Number(hash common.Hash) (number uint64, ok bool) {
	if hash == f.hash {
		return 0, true
	}
	return f.Archive.Number(hash)
}

// RecallNumber implements serve.Recaller.
func (f *Files) RecallNumber(hash common.Hash) (number uint64, ok bool) {
	if hash == f.hash {
		return 0, true
	}
	return f.Archive.RecallNumber(hash)
}

// Recall implements serve.Recaller.
func (f *Files) Recall(p chain.Part, number uint64) ([]byte, bool) {
	if number == 0 {
		if b, ok := f.genesis[p]; ok {
			return b, true
		}
	}
	return f.Archive.Recall(p, number)
}

// Read implements serve.Source.
func (f *Files) Read(p chain.Part, number uint64) ([]byte, error) {
	if number == 0 {
		if b, ok := f.genesis[p]; ok {
			return b, nil
		}
	}
	return f.Archive.Read(p, number)
}

// lastHeaders returns the headers of the last blocks, as many as the window has.
func (f *Files) lastHeaders() (headers []verify.Header) {
	last, ok := f.Last()
	if !ok {
		return nil
	}
	for n := last.Number - min(last.Number, window.Headers-1); n <= last.Number; n++ {
		encoded, err := f.Read(chain.Header, n)
		if err != nil {
			headers = nil // a gap
			continue
		}
		h, err := verify.DecodeHeader(encoded)
		if err != nil || len(headers) > 0 && h.Parent() != headers[len(headers)-1].Hash {
			headers = nil
			continue
		}
		headers = append(headers, h)
	}
	return headers
}

// Side implements serve.Source. Files have blocks of one chain alone.
func (f *Files) Side(common.Hash) (header []byte, ok bool) { return nil, false }

// Head returns the highest block of the files, and the first block of the run without gaps that
// ends at it; ok is false if there are no files.
func (f *Files) Head() (head chain.Block, first uint64, ok bool) {
	head, ok = f.Last()
	if !ok {
		return head, 0, false
	}
	first, ok = f.Run(head.Number, chain.Header, chain.Body, chain.Receipts)
	if !ok {
		first = head.Number
	}
	if first == 1 {
		first = 0 // the genesis block needs no file
	}
	return head, first, true
}

package eth

import (
	"context"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/troupe-p2p/troupe/protocols"
	"github.com/troupe-p2p/troupe/protocols/eth/ask"
	"github.com/troupe-p2p/troupe/protocols/eth/verify"
)

// fetched is the checked answer to a request. It is for the follower that sent the request.
type fetched struct {
	follower *follower
	link     *protocols.Link
	peer     enode.ID
	request  ask.Request
	headers  []verify.Header // of Kind Headers
	answer   verify.Answer   // of the others
	err      error           // what is wrong with the answer
	keep     func(*fetched)  // keeps what a download wants of the answer; nil: it is no download's
}

// partFetched says that a part of an answer in parts is there, and that the rest is asked for.
type partFetched struct {
	follower *follower
	peer     enode.ID
	request  ask.Request
}

// giveUp is how long a goroutine waits for an answer. The Scheduler's time-outs are shorter.
const giveUp = time.Minute

// fetch sends a request, and sends the service what was found in the answer. The Scheduler
// notices an answer that does not come. fetch runs in a goroutine of its own.
func fetch(ctx context.Context, f fetched, asked []verify.Header, tell func(any)) {
	var err error
	link := f.link
	switch f.request.Kind {
	case ask.Headers:
		var a *BlockHeaders
		if a, err = protocols.Call[BlockHeaders](ctx, link, &GetBlockHeaders{Query: f.request.Query}, protocols.Within(giveUp)); err == nil {
			f.headers, f.err = verify.Headers(f.request.Query, a.Headers)
		}
	case ask.Bodies:
		var a *BlockBodies
		if a, err = protocols.Call[BlockBodies](ctx, link, &GetBlockBodies{Hashes: hashesOf(asked)}, protocols.Within(giveUp)); err == nil {
			f.answer, f.err = verify.Bodies(asked, a.Bodies)
		}
	case ask.AccessLists:
		var a *BlockAccessLists
		if a, err = protocols.Call[BlockAccessLists](ctx, link, &GetBlockAccessLists{Hashes: hashesOf(asked)}, protocols.Within(giveUp)); err == nil {
			f.answer, f.err = verify.AccessLists(asked, a.Lists)
		}
	case ask.Receipts:
		if link.Version() >= eth70 {
			err = f.receiptsInParts(ctx, link, asked, tell)
			break
		}
		var a *Receipts
		if a, err = protocols.Call[Receipts](ctx, link, &GetReceipts{Hashes: hashesOf(asked)}, protocols.Within(giveUp)); err == nil {
			f.answer, f.err = receiptsOf(link.Version(), asked, a.Receipts)
		}
	}
	if err != nil {
		return
	}
	if f.keep != nil {
		f.keep(&f)
	}
	tell(f)
}

// receiptsOf checks receipts in the form of a version before eth/70.
func receiptsOf(version uint, asked []verify.Header, list []byte) (verify.Answer, error) {
	if version == eth68 {
		return verify.Receipts68(asked, list)
	}
	return verify.Receipts69(asked, list)
}

// receiptsInParts asks for receipts until the last block of an answer is whole.
func (f *fetched) receiptsInParts(ctx context.Context, link *protocols.Link, asked []verify.Header, tell func(any)) error {
	c := verify.NewCollector(asked)
	for {
		first, hashes := c.Next()
		a, err := protocols.Call[Receipts70](ctx, link, &GetReceipts70{First: first, Hashes: hashes}, protocols.Within(giveUp))
		if err != nil {
			return err
		}
		var more bool
		if more, f.err = c.Add(a.Receipts, a.Incomplete); !more || f.err != nil {
			f.answer = c.Answer()
			return nil
		}
		tell(partFetched{f.follower, f.peer, f.request})
	}
}

func hashesOf(headers []verify.Header) (hashes Hashes) {
	for _, h := range headers {
		hashes = append(hashes, h.Hash)
	}
	return hashes
}

// peerID returns the ID of a link's remote.
func peerID(l *protocols.Link) enode.ID {
	return enode.ID(hashOfKey(l.Peer().ID))
}

// hashOfKey returns the hash of a node's public key in hex.
func hashOfKey(key string) common.Hash { return crypto.Keccak256Hash(common.FromHex(key)) }

package eth_test

import (
	"bytes"
	"math/big"
	"slices"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/rlp"

	"github.com/troupe-p2p/troupe/protocols"
	"github.com/troupe-p2p/troupe/protocols/eth"
	"github.com/troupe-p2p/troupe/protocols/eth/serve"
)

// liar is the actor of a remote that answers as a node does, except where it lies.
type liar struct {
	src  serve.Source
	lie  lie
	link *protocols.Link
}

// lie returns what a remote sends in place of an answer. ok is false where it does not lie.
type lie func(src serve.Source, request any) (messages []any, ok bool)

// lies makes a Spec's remote lie.
func lies(src serve.Source, lie lie) func(*protocols.Spec) {
	return func(s *protocols.Spec) {
		s.New = func() actor.Actor { return &liar{src: src, lie: lie} }
		s.Limits.Outbox = 64 << 20
	}
}

func (l *liar) Receive(ctx actor.Context) {
	switch msg := ctx.Message().(type) {
	case *protocols.LinkUp:
		l.link = msg.Link
	case *eth.GetBlockHeaders, *eth.GetBlockBodies, *eth.GetReceipts, *eth.GetReceipts70, *eth.GetBlockAccessLists:
		messages, ok := l.lie(l.src, msg)
		if !ok {
			messages = []any{honest(l.src, l.link.Version(), msg)}
		}
		for _, m := range messages {
			if late, ok := m.(late); ok {
				shared := l.link.Shared()
				shared.Go(func() { late.send(shared) })
				continue
			}
			if err := l.link.Send(m); err != nil {
				return // the node has closed the link
			}
		}
	}
}

// late is a message that is sent when the request has timed out.
type late struct{ message any }

func (m late) send(link *protocols.Link) {
	select {
	case <-time.After(25 * time.Second): // more than the longest time-out
		_ = link.Send(m.message) // the node may have closed the link
	case <-link.Context().Done():
	}
}

// honest returns the answer of an honest node.
func honest(src serve.Source, version uint, request any) any {
	switch q := request.(type) {
	case *eth.GetBlockHeaders:
		return &eth.BlockHeaders{ID: q.ID, Headers: serve.Headers(src, q.Query)}
	case *eth.GetBlockBodies:
		return &eth.BlockBodies{ID: q.ID, Bodies: serve.Bodies(src, q.Hashes)}
	case *eth.GetReceipts:
		if version == 68 {
			return &eth.Receipts{ID: q.ID, Receipts: serve.Receipts68(src, q.Hashes)}
		}
		return &eth.Receipts{ID: q.ID, Receipts: serve.Receipts69(src, q.Hashes)}
	case *eth.GetReceipts70:
		list, incomplete := serve.Receipts70(src, q.Hashes, q.First)
		return &eth.Receipts70{ID: q.ID, Incomplete: incomplete, Receipts: list}
	case *eth.GetBlockAccessLists:
		return &eth.BlockAccessLists{ID: q.ID, Lists: serve.AccessLists(src, q.Hashes)}
	}
	return nil
}

// aboutHeaders lies about headers. change gets those of an honest answer, of which there are two at
// least.
func aboutHeaders(change func([]*types.Header) []*types.Header) lie {
	return func(src serve.Source, request any) ([]any, bool) {
		q, ok := request.(*eth.GetBlockHeaders)
		if !ok {
			return nil, false
		}
		var headers []*types.Header
		mustDecode(serve.Headers(src, q.Query), &headers)
		if len(headers) < 2 || q.Query.Reverse {
			return nil, false
		}
		return []any{&eth.BlockHeaders{ID: q.ID, Headers: mustEncode(change(headers))}}, true
	}
}

// aboutBodies lies about the first body of an answer.
func aboutBodies(change func(*types.Body)) lie {
	return func(src serve.Source, request any) ([]any, bool) {
		q, ok := request.(*eth.GetBlockBodies)
		if !ok {
			return nil, false
		}
		var bodies []*types.Body
		if mustDecode(serve.Bodies(src, q.Hashes), &bodies); len(bodies) == 0 {
			return nil, false
		}
		change(bodies[0])
		return []any{&eth.BlockBodies{ID: q.ID, Bodies: mustEncode(bodies)}}, true
	}
}

// aboutReceipts answers requests for receipts of eth/70 and later.
func aboutReceipts(answer func(src serve.Source, q *eth.GetReceipts70) any) lie {
	return func(src serve.Source, request any) ([]any, bool) {
		q, ok := request.(*eth.GetReceipts70)
		if !ok {
			return nil, false
		}
		return []any{answer(src, q)}, true
	}
}

// aboutLists answers requests for block access lists.
func aboutLists(list []byte) lie {
	return func(_ serve.Source, request any) ([]any, bool) {
		q, ok := request.(*eth.GetBlockAccessLists)
		if !ok {
			return nil, false
		}
		return []any{&eth.BlockAccessLists{ID: q.ID, Lists: list}}, true
	}
}

// times answers requests for bodies as an honest node does, so many times.
func times(n int) lie {
	return func(src serve.Source, request any) ([]any, bool) {
		if _, ok := request.(*eth.GetBlockBodies); !ok {
			return nil, false
		}
		return slices.Repeat([]any{honest(src, 0, request)}, n), true
	}
}

// unasked puts other IDs into its answers for bodies.
func unasked(src serve.Source, request any) ([]any, bool) {
	q, ok := request.(*eth.GetBlockBodies)
	if !ok {
		return nil, false
	}
	return []any{&eth.BlockBodies{ID: q.ID + 1<<40, Bodies: serve.Bodies(src, q.Hashes)}}, true
}

// wrongAndLate sends wrong bodies when the node has given the request up.
func wrongAndLate(_ serve.Source, request any) ([]any, bool) {
	q, ok := request.(*eth.GetBlockBodies)
	if !ok {
		return nil, false
	}
	return []any{late{&eth.BlockBodies{ID: q.ID, Bodies: []byte{0xc4, 0xc3, 0xc0, 0xc0, 0xc0}}}}, true
}

// otherKind answers requests for bodies with headers.
func otherKind(_ serve.Source, request any) ([]any, bool) {
	q, ok := request.(*eth.GetBlockBodies)
	if !ok {
		return nil, false
	}
	return []any{&eth.BlockHeaders{ID: q.ID, Headers: rlp.EmptyList}}, true
}

// half sends the first half of an answer with bodies.
func half(src serve.Source, request any) ([]any, bool) {
	q, ok := request.(*eth.GetBlockBodies)
	if !ok {
		return nil, false
	}
	bodies := serve.Bodies(src, q.Hashes)
	return []any{&eth.BlockBodies{ID: q.ID, Bodies: bodies[:len(bodies)/2]}}, true
}

// silence answers nothing.
func silence(serve.Source, any) ([]any, bool) { return nil, true }

// nothing gives empty answers alone, which is no lie.
func nothing(_ serve.Source, request any) ([]any, bool) {
	switch q := request.(type) {
	case *eth.GetBlockBodies:
		return []any{&eth.BlockBodies{ID: q.ID, Bodies: rlp.EmptyList}}, true
	case *eth.GetReceipts70:
		return []any{&eth.Receipts70{ID: q.ID, Receipts: rlp.EmptyList}}, true
	}
	return nil, false
}

// tenMiB is a list of 10 MiB with items of one byte each.
var zeroInt = new(big.Int)

var tenMiB = bytes.Repeat([]byte{0xc0}, serve.MaxMessage-32)

func init() { copy(tenMiB, serve.AppendListHead(nil, len(tenMiB)-4)) }

// parts gives the first receipt of a block again and again.
func parts(src serve.Source, q *eth.GetReceipts70) any {
	list, _ := serve.Receipts70(src, q.Hashes[:1], 0)
	var blocks [][]rlp.RawValue
	if mustDecode(list, &blocks); len(blocks) > 0 && len(blocks[0]) > 0 {
		blocks[0] = blocks[0][:1]
	}
	return &eth.Receipts70{ID: q.ID, Incomplete: true, Receipts: mustEncode(blocks)}
}

func badExtra(h *types.Header) *types.Header {
	c := types.CopyHeader(h)
	c.Extra = append(slices.Clone(c.Extra), 0xff)
	return c
}

func badNumber(h *types.Header) *types.Header {
	c := types.CopyHeader(h)
	c.Number = new(big.Int).Add(c.Number, big.NewInt(7))
	return c
}

func mustEncode(v any) []byte {
	b, err := rlp.EncodeToBytes(v)
	if err != nil {
		panic(err)
	}
	return b
}

func mustDecode(b []byte, v any) {
	if err := rlp.DecodeBytes(b, v); err != nil {
		panic(err)
	}
}

package eth

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/troupe-p2p/troupe/protocols"
	"github.com/troupe-p2p/troupe/protocols/eth/chain"
	"github.com/troupe-p2p/troupe/protocols/eth/propagation"
	"github.com/troupe-p2p/troupe/protocols/eth/serve"
)

// peer is what a link keeps across crashes of its actor.
type peer struct {
	lane   lane
	upload *upload                     // of this link; nil: no bound
	share  share                       // of the upload of all
	rng    atomic.Pointer[chain.Range] // what the remote serves by its last update, see rangeOf
	told   atomic.Pointer[chain.Range] // what the remote was told that this node serves

	intake    intake    // transactions of the remote
	allowance allowance // of the remote, for transactions that are refused
	queueOnce sync.Once
	queue     *propagation.Queue    // transactions for the remote, see queueOf
	unsent    *protocols.RawMessage // taken from the queue; only the link's actor uses it
	flowing   atomic.Bool           // a flow is on its way to the link's actor
}

// link is the actor of one link. It hands requests to goroutines, and sends their answers.
type link struct {
	eth  *Eth
	link *protocols.Link
	peer *peer
}

// answered tells the link's actor that an answer is ready, or that the work on one is lost.
type answered struct{}

func (l *link) Receive(ctx actor.Context) {
	switch msg := ctx.Message().(type) {
	case *protocols.LinkUp:
		l.up(msg.Link)
		l.deliver(ctx) // what an actor before this one has left
		l.look(ctx)
		l.flow()
	case *protocols.Drained:
		l.deliver(ctx)
		l.flow()
	case answered:
		l.deliver(ctx)
	case flow:
		l.peer.flowing.Store(false)
		l.flow()
	case lookedAt:
		l.look(ctx)
	case *protocols.RawMessage:
		l.raw(ctx, msg)
	case *GetBlockHeaders, *GetBlockBodies, *GetReceipts, *GetReceipts70, *GetBlockAccessLists, *GetPooledTransactions, *GetCells:
		l.request(ctx, msg)
	case *BlockRangeUpdate:
		l.rangeUpdate(chain.Range(*msg))
	}
}

func (l *link) up(handle *protocols.Link) {
	l.link, l.peer = handle, peerOf(handle)
	if l.peer.upload == nil {
		l.peer.upload = newUpload(l.eth.cfg.UploadPeer, l.eth.clock)
	}
}

// rangeOf returns which blocks a remote says that it serves; nil in eth/68.
func rangeOf(l *protocols.Link) *chain.Range {
	if r := peerOf(l).rng.Load(); r != nil {
		return r
	}
	if s := protocols.StatusOf[Status](l); s != nil {
		r := s.Range()
		return &r
	}
	return nil
}

func (l *link) rangeUpdate(r chain.Range) {
	if err := r.Check(); err != nil {
		l.link.DisconnectWithError(protocols.DiscProtocolError, fmt.Errorf("block range update: %w", err))
		return
	}
	l.peer.rng.Store(&r)
	l.link.PassOn(serves{l.link.Shared(), r})
}

// request answers a request at once, or puts it in the lane. While the lane is full, nothing of the
// remote is delivered.
func (l *link) request(ctx actor.Context, request any) {
	if l.answerAtOnce(request) {
		l.deliver(ctx)
		return
	}
	l.peer.lane.add(request)
	l.hold()
	l.work(ctx)
}

// room is what the outbox must have room for before the next answer is computed, so that a remote
// that does not read has one large answer in memory.
const room = 768 << 10

// work begins with the next request, unless one is being worked on, or answers wait to be written.
func (l *link) work(ctx actor.Context) {
	if !l.link.AwaitRoom(room) {
		return // Drained follows
	}
	request, ok := l.peer.lane.take()
	if !ok {
		return
	}
	shared, root, self := l.link.Shared(), ctx.ActorSystem().Root, ctx.Self()
	shared.Go(func() {
		var answer any
		defer func() {
			l.peer.lane.finish(answer) // nil after a panic: the request at hand is lost
			root.Send(self, answered{})
		}()
		answer = l.eth.answer(shared, l.peer, request)
	})
}

// answer works on a request, and waits until the bounds of the upload allow the answer.
func (e *Eth) answer(l *protocols.Link, p *peer, request any) any {
	done := l.Context().Done()
	select {
	case e.slots <- struct{}{}:
	case <-done:
		return nil
	}
	answer := func() any {
		defer func() { <-e.slots }()
		if q, ok := request.(*GetPooledTransactions); ok {
			return e.pooledTransactions(l.Version(), p, q)
		}
		return e.respond(e.source, l.Version(), request)
	}()
	size := sizeOf(answer)
	if !p.upload.wait(new(share), size, done) || !e.upload.wait(&p.share, size, done) {
		return nil
	}
	return answer
}

// deliver sends the answer that is ready, and goes on with the next request. An answer that finds
// no room waits for Drained.
func (l *link) deliver(ctx actor.Context) {
	if answer := l.peer.lane.ready(); answer != nil {
		switch err := l.link.Send(answer); {
		case errors.Is(err, protocols.ErrOutboxFull):
			return
		case err != nil && !errors.Is(err, protocols.ErrLinkDown):
			l.link.DisconnectWithError(protocols.DiscSubprotocolError, err)
			return
		}
		l.peer.lane.sent()
		free(answer)
	}
	l.work(ctx)
	l.hold()
}

// hold holds the remote back while too much of it waits.
func (l *link) hold() { l.link.Hold(l.peer.lane.full() || l.peer.intake.full()) }

// free takes back the memory of an answer, of which Send has made a copy.
func free(answer any) {
	switch a := answer.(type) {
	case *BlockHeaders:
		serve.Free(a.Headers)
	case *BlockBodies:
		serve.Free(a.Bodies)
	case *Receipts:
		serve.Free(a.Receipts)
	case *Receipts70:
		serve.Free(a.Receipts)
	case *BlockAccessLists:
		serve.Free(a.Lists)
	}
}

// sizeOf returns the size of an answer's list in bytes.
func sizeOf(answer any) int {
	switch a := answer.(type) {
	case *BlockHeaders:
		return len(a.Headers)
	case *BlockBodies:
		return len(a.Bodies)
	case *Receipts:
		return len(a.Receipts)
	case *Receipts70:
		return len(a.Receipts)
	case *BlockAccessLists:
		return len(a.Lists)
	case *PooledTransactions:
		return len(a.Transactions)
	case *Cells:
		return len(a.Cells)
	}
	return 0
}

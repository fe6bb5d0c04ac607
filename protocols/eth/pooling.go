package eth

import (
	"slices"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"

	"github.com/troupe-p2p/troupe/protocols"
	"github.com/troupe-p2p/troupe/protocols/eth/announce"
	"github.com/troupe-p2p/troupe/protocols/eth/propagation"
	"github.com/troupe-p2p/troupe/protocols/eth/txfetch"
)

// pooling is what the service does with transactions: it asks for those that were announced, and passes
// on those of the pool. One incarnation of the service owns it. What it knows is in the mempool, and
// outlives it.
type pooling struct {
	eth   *Eth
	actor actor.Context // of the service, for its own turns
	tell  func(any)     // sends the service a message, from any goroutine
	links []*protocols.Link
	peers []propagation.Peer // by the same places

	sampling *sampling // nil: the node wants no blobs
}

// announced are transactions that a remote has announced and the pool does not have. There may be none:
// then the pool may have some that can go on now.
type announced struct {
	link *protocols.Link
	txs  []announce.Tx
	mask types.CustodyBitmap // columns of cells that the remote has of those with blobs
}

// poolDue says that the fetcher or the pool has something to do.
type poolDue struct{ pooling *pooling }

// followed says which transactions are in blocks that have become part of the chain.
type followed struct{ hashes []common.Hash }

// expireEvery is how often the pool is asked for what is too old.
const expireEvery = 12 * time.Second

func newPooling(ctx actor.Context, e *Eth) *pooling {
	root, self := ctx.ActorSystem().Root, ctx.Self()
	p := &pooling{eth: e, actor: ctx, tell: func(msg any) { root.Send(self, msg) }}
	if m := e.mempool; m.deciding { // the service has crashed amid a decision
		m.newFetcher()
		m.deciding = false
	}
	if e.mempool.blobs != nil {
		p.sampling = newSampling(p)
	}
	p.tell(poolDue{p}) // comes after all links have joined
	p.follow()
	return p
}

// stop ends the timer, also that of an incarnation that crashed.
func (p *pooling) stop() {
	p.disarm()
	p.sampling.stop()
}

func (p *pooling) disarm() {
	if m := p.eth.mempool; m.timer != nil {
		m.timer.Stop()
	}
}

func (p *pooling) now() time.Time { return p.eth.clock.Now() }

func (p *pooling) joined(l *protocols.Link) {
	p.links = append(p.links, l)
	p.peers = append(p.peers, propagation.Peer{ID: peerID(l), Queue: peerOf(l).queueOf(l.Version())})
	p.eth.mempool.fetcher.Joined(l, l.Version())
	p.sampling.joined(l)
}

func (p *pooling) left(l *protocols.Link) {
	i := slices.Index(p.links, l)
	if i < 0 {
		return
	}
	p.links, p.peers = slices.Delete(p.links, i, i+1), slices.Delete(p.peers, i, i+1)
	p.decide(func(f *fetcher) { p.do(f.Left(p.now(), l)) })
	p.sampling.left(l)
}

type fetcher = txfetch.Fetcher[*protocols.Link]

// decide lets the fetcher decide, and notes a crash amid that.
func (p *pooling) decide(with func(*fetcher)) {
	m := p.eth.mempool
	m.deciding = true
	with(m.fetcher)
	m.deciding = false
}

// receive takes the messages that concern transactions.
func (p *pooling) receive(msg any) {
	p.decide(func(f *fetcher) {
		switch msg := msg.(type) {
		case announced:
			p.do(f.Announced(p.now(), msg.link, slices.Values(msg.txs)))
		case taken:
			p.taken(f, &msg)
		case followed:
			for _, hash := range msg.hashes {
				f.Refused(p.now(), hash)
			}
			p.do(f.Forget(p.now(), msg.hashes))
		case poolDue:
			p.due(f, msg)
		}
	})
	p.sampling.receive(msg)
	p.spread()
}

func (p *pooling) due(f *fetcher, msg poolDue) {
	if msg.pooling != p {
		return // of an incarnation before
	}
	for _, l := range f.Peers() {
		if !slices.Contains(p.links, l) { // its link has ended while there was no incarnation
			p.do(f.Left(p.now(), l))
		}
	}
	p.eth.mempool.pool.Expire(p.now())
	p.do(f.Tick(p.now()))
}

// taken takes what was found in transactions.
func (p *pooling) taken(f *fetcher, t *taken) {
	for _, hash := range t.refused {
		f.Refused(p.now(), hash)
	}
	switch {
	case t.failed:
		p.do(f.Failed(p.now(), t.request))
	case t.request != nil:
		p.do(f.Answered(p.now(), t.request, t.items))
	default:
		p.do(f.Pushed(p.now(), t.link, t.items))
	}
}

// do carries out what the fetcher decided.
func (p *pooling) do(actions txfetch.Actions[*protocols.Link]) {
	for _, fault := range actions.Faults {
		fault.Peer.DisconnectWithError(protocols.DiscProtocolError, fault.Err)
	}
	for _, a := range actions.Arrivals {
		p.sampling.arrived(a)
		for _, l := range a.Peers {
			p.eth.mempool.pool.Announced(a.Hash, originOf(l))
		}
	}
	for _, r := range actions.Requests {
		protocols.Go(p.actor, func() { p.ask(r) })
	}
	p.arm(actions.Wake)
}

// arm sets the timer for what is due next.
func (p *pooling) arm(wake time.Time) {
	p.disarm()
	after := expireEvery
	if !wake.IsZero() {
		after = min(after, max(0, wake.Sub(p.now())))
	}
	p.eth.mempool.timer = p.eth.clock.AfterFunc(after, func() { p.tell(poolDue{p}) })
}

// ask asks a peer for transactions, and looks at the answer. It runs in a goroutine of its own, which
// a crash of the service does not end.
func (p *pooling) ask(r *txfetch.Request[*protocols.Link]) {
	t := taken{link: r.Peer, request: r}
	a, err := protocols.Call[PooledTransactions](p.eth.ctx, r.Peer, &GetPooledTransactions{Hashes: r.Hashes})
	if err != nil {
		t.failed = true
	} else if err := p.eth.take(r.Peer.Context(), &t, a.Transactions, len(r.Hashes)); err != nil {
		t.failed = true
		r.Peer.DisconnectWithError(protocols.DiscProtocolError, err)
	}
	p.tell(t)
}

// readyAtOnce is how many transactions are passed on at a time.
const readyAtOnce = 1024

// spread passes on what the pool has for that.
func (p *pooling) spread() {
	some := false
	for {
		ready := p.eth.mempool.pool.Ready(readyAtOnce)
		if len(ready) == 0 {
			break
		}
		p.eth.mempool.fanout.Spread(p.peers, ready)
		some = true
	}
	if !some {
		return
	}
	for _, l := range p.links {
		if peerOf(l).flowing.CompareAndSwap(false, true) {
			p.actor.ActorSystem().Root.Send(l.Self(), flow{})
		}
	}
}

package eth

import (
	"iter"
	"runtime"
	"slices"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto/kzg4844"
	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/troupe-p2p/troupe/protocols"
	"github.com/troupe-p2p/troupe/protocols/eth/announce"
	"github.com/troupe-p2p/troupe/protocols/eth/blobs"
	"github.com/troupe-p2p/troupe/protocols/eth/pool"
	"github.com/troupe-p2p/troupe/protocols/eth/serve"
	"github.com/troupe-p2p/troupe/protocols/eth/txfetch"
)

// blobPool is what the node knows of blob transactions that are not whole. It outlives crashes of the actors.
type blobPool struct {
	cfg   blobs.Config
	slots chan struct{} // one for each job that is being run

	// fetcher decides which cells to ask for. Only the service uses it.
	fetcher *cellFetcher
	// deciding is set while the fetcher is at work: if the service crashes then, the next one makes
	// another fetcher.
	deciding bool
	timer    protocols.Timer // of the service; nil at first
}

type cellFetcher = blobs.Fetcher[*protocols.Link]

func newBlobPool(m *mempool, custody types.CustodyBitmap) *blobPool {
	b := &blobPool{slots: make(chan struct{}, max(1, runtime.GOMAXPROCS(0)/2))}
	b.cfg = blobs.Config{Custody: custody, Has: func(hash common.Hash) bool { return m.pool.Has(hash) || m.fetcher.Refuses(hash) }}
	b.fetcher = blobs.New[*protocols.Link](b.cfg)
	return b
}

// custody returns the columns that the node has in custody.
func (e *Eth) custody(self enode.ID) types.CustodyBitmap {
	if len(e.cfg.Custody) > 0 {
		return types.NewCustodyBitmap(e.cfg.Custody)
	}
	return blobs.Custody(self, blobs.DefaultCustody)
}

// cells answers a request for cells from the pool.
func (e *Eth) cells(q *GetCells) *Cells {
	hashes, list := serve.Cells(q.Hashes, q.Mask, func(hash common.Hash) ([]kzg4844.Cell, types.CustodyBitmap) {
		if tx := e.mempool.pool.Get(hash); tx != nil {
			return tx.Cells(), tx.Custody()
		}
		return nil, types.CustodyBitmap{}
	})
	return &Cells{ID: q.ID, Hashes: hashes, Cells: list, Mask: q.Mask}
}

// blobTx is a valid transaction with blobs, as it came.
type blobTx struct {
	tx     *types.Transaction
	sender common.Address
}

// sampling is what the service does for blobs: it asks for the cells of announced transactions, has them verified,
// and adds to the pool what is whole. One incarnation of the service owns it. Its methods do nothing on nil.
type sampling struct {
	*pooling
	setup *blobs.Setup
	// came are transactions that have come, with the peers that had announced them, until the cell fetcher has the bodies.
	came []txfetch.Arrival[*protocols.Link]
}

type cellRequest = blobs.Request[*protocols.Link]

// cellsCame is the answer to a request for cells, or the error of its parser.
type cellsCame struct {
	request *cellRequest
	cells   []blobs.Cells
	err     error
	failed  bool // there is no answer
}

// bodyCame is the answer to a request for a body.
type bodyCame struct {
	request *cellRequest
	tx      *types.Transaction // nil: the peer has it not
	err     error
	failed  bool
}

// jobDone says that a job of the fetcher has been run.
type jobDone struct {
	job *blobs.Job[*protocols.Link]
}

// samplingDue says that the fetcher has something to do.
type samplingDue struct{ sampling *sampling }

func newSampling(p *pooling) *sampling {
	s := &sampling{pooling: p}
	if b := p.eth.mempool.blobs; b.deciding { // the service has crashed amid a decision
		b.fetcher, b.deciding = blobs.New[*protocols.Link](b.cfg), false
	}
	s.setup = blobs.BeginSetup(func(f func()) { protocols.Go(p.actor, f) })
	p.tell(samplingDue{s}) // comes after all links have joined
	return s
}

// stop ends the timer, also that of an incarnation that crashed.
func (s *sampling) stop() {
	if s == nil {
		return
	}
	if b := s.eth.mempool.blobs; b.timer != nil {
		b.timer.Stop()
	}
}

func (s *sampling) joined(l *protocols.Link) {
	if s != nil {
		s.eth.mempool.blobs.fetcher.Joined(l)
	}
}

func (s *sampling) left(l *protocols.Link) {
	if s != nil {
		s.decide(func(f *cellFetcher) { s.do(f.Left(s.now(), l)) })
	}
}

// decide lets the fetcher decide, and notes a crash amid that.
func (s *sampling) decide(with func(*cellFetcher)) {
	b := s.eth.mempool.blobs
	b.deciding = true
	with(b.fetcher)
	b.deciding = false
}

// receive takes the messages that concern blobs.
func (s *sampling) receive(msg any) {
	if s == nil {
		return
	}
	s.decide(func(f *cellFetcher) {
		switch msg := msg.(type) {
		case announced:
			s.announced(f, &msg)
		case taken:
			s.taken(f, &msg)
		case followed:
			s.do(f.Forget(s.now(), msg.hashes))
		case cellsCame:
			s.cellsCame(f, &msg)
		case bodyCame:
			s.bodyCame(f, &msg)
		case jobDone:
			s.do(f.Checked(s.now(), msg.job))
		case samplingDue:
			s.due(f, msg)
		}
	})
}

// blobHashes returns the hashes of announced blob transactions.
func blobHashes(txs []announce.Tx) iter.Seq[common.Hash] {
	return func(yield func(common.Hash) bool) {
		for _, tx := range txs {
			if tx.Type == types.BlobTxType && !yield(tx.Hash) {
				return
			}
		}
	}
}

func (s *sampling) due(f *cellFetcher, msg samplingDue) {
	if msg.sampling != s {
		return // of an incarnation before
	}
	for _, l := range f.Peers() {
		if !slices.Contains(s.links, l) { // its link has ended while there was no incarnation
			s.do(f.Left(s.now(), l))
		}
	}
	s.do(f.Tick(s.now()))
}

func (s *sampling) taken(f *cellFetcher, t *taken) {
	for _, b := range t.blobs {
		if t.link.Version() >= eth72 {
			s.do(f.Body(s.now(), t.link, b.tx, b.sender))
		} else {
			s.do(f.WithBlobs(s.now(), t.link, b.tx, b.sender))
		}
	}
	for _, a := range s.came {
		f.Known(a.Hash, a.Peers)
	}
	s.came = nil
}

// arrived notes the peers that have announced a transaction that has come: they count once it is whole.
func (s *sampling) arrived(a txfetch.Arrival[*protocols.Link]) {
	if s != nil {
		s.came = append(s.came, a)
	}
}

func (s *sampling) announced(f *cellFetcher, a *announced) {
	hashes := blobHashes(a.txs)
	if a.link.Version() >= eth72 {
		s.do(f.Announced(s.now(), a.link, hashes, a.mask))
		return
	}
	for hash := range hashes {
		f.Known(hash, []*protocols.Link{a.link})
	}
}

func (s *sampling) cellsCame(f *cellFetcher, m *cellsCame) {
	if m.failed {
		s.do(f.Failed(s.now(), m.request))
		return
	}
	s.do(f.Answered(s.now(), m.request, m.cells, m.err))
}

func (s *sampling) bodyCame(f *cellFetcher, m *bodyCame) {
	if m.failed {
		s.do(f.Failed(s.now(), m.request))
		return
	}
	s.do(f.Bodied(s.now(), m.request, m.tx, m.err))
}

// do carries out what the fetcher decided.
func (s *sampling) do(actions blobs.Actions[*protocols.Link]) {
	for _, fault := range actions.Faults {
		fault.Peer.DisconnectWithError(protocols.DiscProtocolError, fault.Err)
	}
	for _, w := range actions.Whole {
		s.whole(&w)
	}
	for _, r := range actions.Requests {
		protocols.Go(s.actor, func() { s.tell(s.eth.fetchCells(r)) })
	}
	for _, j := range actions.Jobs {
		protocols.Go(s.actor, func() { s.run(j) })
	}
	s.stop()
	if !actions.Wake.IsZero() {
		s.eth.mempool.blobs.timer = s.eth.clock.AfterFunc(max(0, actions.Wake.Sub(s.now())), func() { s.tell(samplingDue{s}) })
	}
}

// whole adds a transaction to the pool, with what is known of its announcers.
func (s *sampling) whole(w *blobs.Whole[*protocols.Link]) {
	p := s.eth.mempool.pool
	tx, err := pool.NewTx(w.Tx, w.Sender, w.Cells.Mask, w.Cells.Cells)
	if err == nil {
		err = p.Add(s.now(), tx, originOf(w.Peer))
	}
	if err != nil {
		s.eth.mempool.fetcher.Refused(s.now(), w.Tx.Hash())
		s.eth.log.Debug("transaction refused", "hash", w.Tx.Hash(), "err", err)
		return
	}
	for _, l := range w.Others {
		p.Announced(w.Tx.Hash(), originOf(l))
	}
}

// run runs a job once the set-up is done. It is for goroutines.
func (s *sampling) run(j *blobs.Job[*protocols.Link]) {
	if s.setup.Wait(s.eth.ctx) != nil {
		return
	}
	select {
	case s.eth.mempool.blobs.slots <- struct{}{}:
	case <-s.eth.ctx.Done():
		return
	}
	defer func() { <-s.eth.mempool.blobs.slots }()
	j.Run()
	s.tell(jobDone{j})
}

// fetchCells asks a peer for cells, or for a body, and parses the answer. It is for goroutines.
func (e *Eth) fetchCells(r *cellRequest) any {
	if r.Body {
		return e.fetchBody(r)
	}
	a, err := protocols.Call[Cells](e.ctx, r.Peer, &GetCells{Hashes: r.Hashes, Mask: r.Mask})
	if err != nil {
		return cellsCame{request: r, failed: true}
	}
	cells, err := r.Parse(a.Hashes, a.Cells, a.Mask)
	return cellsCame{request: r, cells: cells, err: err}
}

func (e *Eth) fetchBody(r *cellRequest) bodyCame {
	came := bodyCame{request: r}
	a, err := protocols.Call[PooledTransactions](e.ctx, r.Peer, &GetPooledTransactions{Hashes: r.Hashes})
	if err != nil {
		came.failed = true
		return came
	}
	for txs, err := range txfetch.Decode(a.Transactions, 1, 1) {
		if err != nil {
			came.err = err
			break
		}
		came.tx = txs[0]
	}
	return came
}

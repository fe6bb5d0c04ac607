package eth

import (
	"runtime"
	"sync/atomic"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/p2p/enode"
	"github.com/ethereum/go-ethereum/rlp"

	"github.com/troupe-p2p/troupe/protocols"
	"github.com/troupe-p2p/troupe/protocols/eth/pool"
	"github.com/troupe-p2p/troupe/protocols/eth/propagation"
	"github.com/troupe-p2p/troupe/protocols/eth/serve"
	"github.com/troupe-p2p/troupe/protocols/eth/txfetch"
)

// mempool is what the node has and knows of transactions. It outlives crashes of the actors.
type mempool struct {
	pool     *pool.Pool
	rules    pool.Rules
	checker  *pool.Checker
	fanout   *propagation.Fanout
	included inclusions
	gasLimit atomic.Uint64 // of the head's block; zero: not known
	asksNode bool          // the accounts of senders are the execution node's
	pushed   atomic.Int64  // bytes of pushed transactions that wait to be looked at, of all links

	// fetcher decides which announced transactions to ask for. Only the service uses it.
	fetcher *txfetch.Fetcher[*protocols.Link]
	// deciding is set while the fetcher is at work: if the service crashes then, the next one makes
	// another fetcher.
	deciding bool
	timer    protocols.Timer // of the service; nil at first

	blobs *blobPool // nil: the node wants none
}

// openPool makes the pool, and reads the state dump.
func (e *Eth) openPool(env *protocols.Env) error {
	state := e.cfg.State
	if e.cfg.StateFile != "" {
		dump, err := pool.OpenDump(e.cfg.StateFile)
		if err != nil {
			return err
		}
		state = dump
	}
	asksNode := state == nil && e.node != nil
	if asksNode {
		state = e.node
	}
	self := enode.ID(hashOfKey(env.ID))
	m := &mempool{
		asksNode: asksNode,
		pool:     pool.New(pool.Config{Bytes: e.cfg.Pool, State: state}),
		rules:    pool.Rules{Config: e.network.Config, Blobs: !e.cfg.NoBlobs},
		fanout:   propagation.NewFanout(),
	}
	if !e.cfg.NoBlobs {
		m.blobs = newBlobPool(m, e.custody(self))
	}
	m.checker = pool.NewChecker(m.rules, runtime.GOMAXPROCS(0))
	m.newFetcher()
	e.mempool = m
	return nil
}

func (m *mempool) newFetcher() {
	m.fetcher = txfetch.New[*protocols.Link](txfetch.Config{Has: m.has, Accepts: m.rules.Accepts})
}

// has reports whether a transaction need not be asked for: it is in the pool, or waits for its cells.
func (m *mempool) has(hash common.Hash) bool {
	return m.pool.Has(hash) || m.blobs != nil && m.blobs.fetcher.Has(hash)
}

// Pool returns the node's transactions.
func (e *Eth) Pool() *pool.Pool { return e.mempool.pool }

// rulesHead returns the header by which transactions are checked.
func (e *Eth) rulesHead() *types.Header {
	h := e.view.CurrentHeader()
	if _, known := e.view.Head(); known {
		h.GasLimit = e.mempool.gasLimit.Load()
	}
	return h
}

// pooledTransactions answers a request. The remote has what it gets from now on.
func (e *Eth) pooledTransactions(version uint, p *peer, q *GetPooledTransactions) *PooledTransactions {
	list, err := serve.Transactions(q.Hashes, func(hash common.Hash) ([]byte, error) {
		tx := e.mempool.pool.Get(hash)
		if tx == nil {
			return nil, nil
		}
		item, err := tx.Encode(version)
		if len(item) > 0 {
			p.queueOf(version).Has(hash)
		}
		return item, err
	})
	if err != nil {
		e.log.Error("encoding a transaction failed", "err", err)
		list = rlp.EmptyList
	}
	return &PooledTransactions{ID: q.ID, Transactions: list}
}

// originOf says where a link's transactions come from.
func originOf(l *protocols.Link) pool.Origin {
	p := l.Peer()
	return pool.Origin{Network: pool.NetworkOf(p.Addr.Addr()), Trusted: trusts(p)}
}

// trusts reports whether the operator has named a peer, so that its word counts alone.
func trusts(p protocols.Peer) bool { return p.Static || p.Trusted }

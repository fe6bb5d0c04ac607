package eth

import (
	"context"
	"runtime"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/ethereum/go-ethereum/core/forkid"
	"github.com/ethereum/go-ethereum/p2p/enr"
	"github.com/ethereum/go-ethereum/rlp"
	"golang.org/x/time/rate"

	"github.com/troupe-p2p/troupe/protocols"
	"github.com/troupe-p2p/troupe/protocols/eth/chain"
	"github.com/troupe-p2p/troupe/protocols/eth/serve"
)

// Eth is a node's side of the protocol. Its methods may be called from any goroutine.
type Eth struct {
	cfg       Config
	networkID uint64
	view      *chain.View
	clock     protocols.Clock
	slots     chan struct{} // one for each request that is being answered
	upload    *rate.Limiter // nil: no bound
}

// New makes a node's side of the protocol, or says what is wrong with its Config.
func New(cfg Config) (*Eth, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	return &Eth{
		cfg: cfg, networkID: cfg.Network.ID,
		view:   chain.NewView(cfg.Network, time.Now),
		slots:  make(chan struct{}, 2*runtime.GOMAXPROCS(0)),
		upload: newLimiter(cfg.Upload),
	}, nil
}

// newLimiter returns a limiter of so many bytes a second, which takes at least one whole message.
func newLimiter(perSecond int) *rate.Limiter {
	if perSecond == 0 {
		return nil
	}
	return rate.NewLimiter(rate.Limit(perSecond), max(perSecond, serve.MaxMessage))
}

// View returns what the node says of its chain.
func (e *Eth) View() *chain.View { return e.view }

// Spec returns the Spec for one node.
func (e *Eth) Spec() protocols.Spec {
	s := protocols.Spec{
		Name:       "eth",
		New:        func() actor.Actor { return &link{eth: e} },
		Provision:  e.provision,
		PeerInfo:   peerInfo,
		Attributes: func() []enr.Entry { return []enr.Entry{&entry{ForkID: e.view.ForkID()}} },
		Wants:      e.wants,
	}
	for _, v := range e.cfg.Versions {
		handshake := protocols.Exchange(e.ourStatus, e.checkStatus)
		if v == eth68 {
			handshake = protocols.Exchange(e.ourStatus68, e.checkStatus68)
		}
		s.Versions = append(s.Versions, protocols.Version{Number: v, Length: lengths[v], Messages: messages(v), Handshake: handshake})
	}
	return s
}

func (e *Eth) provision(_ context.Context, env *protocols.Env) error {
	e.clock = env.Clock
	return nil
}

// entry is eth's entry in a node's record (EIP-2124).
type entry struct {
	ForkID forkid.ID
	Rest   []rlp.RawValue `rlp:"tail"`
}

// ENRKey implements enr.Entry.
func (entry) ENRKey() string { return "eth" }

// wants reports whether a node is on this chain by its record.
func (e *Eth) wants(r *enr.Record) bool {
	var theirs entry
	return r.Load(&theirs) == nil && e.view.CheckForkID(theirs.ForkID) == nil
}

// respond returns the answer to a request. It reads files and must not run in an actor.
func (e *Eth) respond(version uint, request any) any {
	src := e.cfg.Source
	switch q := request.(type) {
	case *GetBlockHeaders:
		return &BlockHeaders{ID: q.ID, Headers: serve.Headers(src, q.Query)}
	case *GetBlockBodies:
		return &BlockBodies{ID: q.ID, Bodies: serve.Bodies(src, q.Hashes)}
	case *GetReceipts:
		if version == eth68 {
			return &Receipts{ID: q.ID, Receipts: serve.Receipts68(src, q.Hashes)}
		}
		return &Receipts{ID: q.ID, Receipts: serve.Receipts69(src, q.Hashes)}
	case *GetReceipts70:
		list, incomplete := serve.Receipts70(src, q.Hashes, q.First)
		return &Receipts70{ID: q.ID, Incomplete: incomplete, Receipts: list}
	case *GetBlockAccessLists:
		return &BlockAccessLists{ID: q.ID, Lists: serve.AccessLists(src, q.Hashes)}
	}
	return nil
}

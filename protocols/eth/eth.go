package eth

import (
	"context"
	"flag"
	"log/slog"
	"runtime"
	"sync/atomic"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/ethereum/go-ethereum/core/forkid"
	"github.com/ethereum/go-ethereum/p2p/enr"
	"github.com/ethereum/go-ethereum/rlp"

	"github.com/troupe-p2p/troupe/protocols"
	"github.com/troupe-p2p/troupe/protocols/eth/chain"
	"github.com/troupe-p2p/troupe/protocols/eth/execution"
	"github.com/troupe-p2p/troupe/protocols/eth/history"
	"github.com/troupe-p2p/troupe/protocols/eth/serve"
	"github.com/troupe-p2p/troupe/protocols/eth/window"
)

// Eth is a node's side of the protocol. Its methods may be called from any goroutine, from the
// start of the node on.
type Eth struct {
	cfg   Config
	flags *flag.FlagSet
	slots chan struct{} // one for each request that is being answered

	// Set by provision.
	network *chain.Network
	view    *chain.View
	node    *execution.Node // nil: none is asked
	source  serve.Source
	files   *Files         // nil: the Config has a Source
	window  *window.Window // above the files; nil as well
	clock   protocols.Clock
	log     *slog.Logger
	filler  *filler // nil: nothing is downloaded into the files
	mempool *mempool
	upload  *upload         // nil: no bound
	ctx     context.Context // ends with the protocol's run on the node

	downloads downloads
	peers     atomic.Int64 // links

	follower     *follower                 // only the service uses it
	look         protocols.Timer           // the service's; only the service uses it
	tellService  atomic.Pointer[func(any)] // sends the service, if it runs, a message; the execution node uses it
	filesChanged atomic.Pointer[func()]    // tells the service, if it runs, that a file was left out
}

// New makes a node's side of the protocol. Flags of its Spec change the Config, so that what is
// wrong with it is found when the node starts.
func New(cfg Config) *Eth {
	e := &Eth{cfg: cfg, slots: make(chan struct{}, 2*runtime.GOMAXPROCS(0))}
	e.flags = newFlags(&e.cfg)
	return e
}

// View returns what the node says of its chain.
func (e *Eth) View() *chain.View { return e.view }

// Spec returns the Spec for one node. Its versions are those of the Config, or of its flags if they
// were set before.
func (e *Eth) Spec() protocols.Spec {
	s := protocols.Spec{
		Name:       "eth",
		New:        func() actor.Actor { return &link{eth: e} },
		Service:    func() actor.Actor { return &service{eth: e} },
		Provision:  e.provision,
		Flags:      e.flags,
		PeerInfo:   peerInfo,
		NodeInfo:   e.nodeInfo,
		Attributes: func() []enr.Entry { return []enr.Entry{&entry{ForkID: e.view.ForkID()}} },
		Wants:      e.wants,
		OnlyAsked:  true,
	}
	versions := e.cfg.Versions
	if len(versions) == 0 {
		versions = Versions()
	}
	for _, v := range versions {
		handshake := protocols.Exchange(e.ourStatus, e.checkStatus)
		if v == eth68 {
			handshake = protocols.Exchange(e.ourStatus68, e.checkStatus68)
		}
		s.Versions = append(s.Versions, protocols.Version{Number: v, Length: lengths[v], Messages: messages(v), Handshake: handshake})
	}
	return s
}

// provision finds the network and the files. Neither is read whole here.
func (e *Eth) provision(_ context.Context, env *protocols.Env) (err error) {
	e.clock, e.log = env.Clock, env.Logger
	if e.network, err = e.cfg.network(); err != nil {
		return err
	}
	e.upload = newUpload(e.cfg.Upload, e.clock)
	e.view = chain.NewView(e.network, e.clock.Now)
	if err := e.openExecution(); err != nil {
		return err
	}
	if err := e.openPool(env); err != nil {
		return err
	}
	if e.cfg.Fill && e.cfg.Source != nil {
		return errNoDirectory
	}
	if e.source = e.cfg.Source; e.source == nil {
		if err := e.openFiles(env); err != nil {
			return err
		}
		e.window = window.New(window.Config{Below: e.files, AccessLists: true})
		e.source = e.window
	}
	ctx, cancel := context.WithCancel(context.Background())
	env.Cleanup(cancel)
	e.ctx = ctx
	return nil
}

// openFiles finds the history files. What is found out about them is kept in the protocol's
// directory, if there is one.
func (e *Eth) openFiles(env *protocols.Env) (err error) {
	dir := ""
	if len(e.cfg.History) > 0 {
		if dir, err = env.Dir(); err != nil {
			return err
		}
	}
	archive, err := history.NewArchive(history.ArchiveConfig{
		Paths: e.cfg.History, Genesis: e.network.Genesis.Hash(), CacheDir: dir, Log: e.log,
		Changed: func() {
			if tell := e.filesChanged.Load(); tell != nil {
				(*tell)()
			}
		},
	})
	if err != nil {
		return err
	}
	env.Cleanup(archive.Close)
	if e.files, err = NewFiles(archive, e.network); err != nil {
		return err
	}
	return e.openFiller(env)
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

// respond returns the answer to a request from a Source. With one that reads files it must not run in an actor.
func (e *Eth) respond(src serve.Source, version uint, request any) any {
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
	case *GetCells:
		return e.cells(q)
	}
	return nil
}

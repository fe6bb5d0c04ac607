package eth

import (
	"context"
	"maps"
	"slices"
	"sync/atomic"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/troupe-p2p/troupe/protocols"
	"github.com/troupe-p2p/troupe/protocols/eth/ask"
	"github.com/troupe-p2p/troupe/protocols/eth/backfill"
	"github.com/troupe-p2p/troupe/protocols/eth/chain"
	"github.com/troupe-p2p/troupe/protocols/eth/head"
	"github.com/troupe-p2p/troupe/protocols/eth/verify"
)

// slot is the time between two blocks.
const slot = 12 * time.Second

// The askers among which the Scheduler divides the peers' time.
const (
	headAsker   = "head"
	windowAsker = "window"
)

// follower follows the chain: it finds out the head, fills the window, and sets the view. The service
// owns it. It outlives a crash of the service that does not hit it amid its own work. After one that
// does, the next incarnation makes another: what it knows of peers is lost then, and what the window
// has is not.
type follower struct {
	eth    *Eth
	actor  actor.Context // of the service, for its own turns
	tell   func(any)     // sends the service a message, from any goroutine
	ctx    context.Context
	cancel context.CancelFunc
	amid   bool        // the service is handling a message
	lost   atomic.Bool // a goroutine for which the follower waits has panicked

	links    map[enode.ID]*protocols.Link
	before   map[enode.ID]*protocols.Link // links of the last incarnation that have not joined this one
	votes    *head.Election
	schedule *ask.Scheduler
	wants    map[ask.WantID]want
	gap      uint64          // first block of the gap that was named; 0: none was
	timer    protocols.Timer // for dueAt
	dueAt    time.Time
	running  bool // the run is being computed
	changed  bool // the run is to be computed again
	indexed  bool // all files have been indexed since the run was computed last
}

// want is what an asker wants, as it is needed when it is over.
type want struct {
	asker string
	heads bool                          // headers
	part  chain.Part                    // of blocks, otherwise
	asked map[common.Hash]verify.Header // whose part it is

	download *download         // that it is for; nil: none
	wanted   *backfill.Request // of the download
}

// followerDue says that the Scheduler or the Election has something to do.
type followerDue struct{ follower *follower }

// rejoined says that all links that are still up have joined the service's new incarnation.
type rejoined struct{ follower *follower }

func newFollower(ctx actor.Context, e *Eth) *follower {
	if e.follower != nil {
		e.follower.stop()
	}
	root, self := ctx.ActorSystem().Root, ctx.Self()
	f := &follower{
		eth: e, actor: ctx, tell: func(msg any) { root.Send(self, msg) }, links: map[enode.ID]*protocols.Link{}, votes: head.New(slot), schedule: ask.New(ask.Config{}),
		wants: map[ask.WantID]want{},
	}
	f.ctx, f.cancel = context.WithCancel(e.ctx)
	e.window.Forget()
	e.peers.Store(0)
	e.downloads.attach(f.tell)
	f.arm()
	e.follower = f
	return f
}

// receive takes the messages that concern following. Those for a follower that was given up are dropped.
func (f *follower) receive(msg any) {
	switch msg := msg.(type) {
	case serves:
		f.rangeChanged(msg.link, msg.rng)
	case followerDue:
		if msg.follower == f {
			f.due()
		}
	case fetched:
		if msg.follower == f {
			f.answered(msg)
		}
	case partFetched:
		if msg.follower == f {
			f.partAnswered(msg)
		}
	case run:
		if msg.follower == f {
			f.setRun(msg)
		}
	case filesHead:
		if msg.follower == f {
			f.setFilesHead(msg)
		}
	case nodeHead:
		f.setNodeHead()
	case rejoined:
		if msg.follower == f {
			f.forgetEnded()
		}
	case downloadWant:
		f.addDownload(msg)
	case downloadOver:
		f.dropDownload(msg.download)
	case linksWanted:
		msg.reply <- slices.Collect(maps.Values(f.links))
	}
}

// sound reports whether the follower can go on after a crash of the service.
func (f *follower) sound() bool { return f != nil && f.ctx.Err() == nil && !f.amid && !f.lost.Load() }

// resume goes on in another incarnation of the service, which all links join before it gets any other
// message. The message at hand at the crash is lost: it may have been the timer's.
func (f *follower) resume(ctx actor.Context) {
	f.actor, f.before, f.links = ctx, f.links, map[enode.ID]*protocols.Link{}
	f.tell(rejoined{f})
	if !f.now().Before(f.dueAt) {
		f.tell(followerDue{f})
	}
}

// forgetEnded forgets the links that have ended between two incarnations of the service.
func (f *follower) forgetEnded() {
	for id := range f.before {
		f.forgetPeer(id)
	}
	f.before = nil
	f.renewDownloads()
}

// spawn runs work in a goroutine, whose panic is a crash of the service.
func (f *follower) spawn(work func()) {
	protocols.Go(f.actor, func() {
		done := false
		defer func() {
			if !done {
				f.lost.Store(true)
			}
		}()
		work()
		done = true
	})
}

// stop ends what the follower has begun.
func (f *follower) stop() {
	f.cancel()
	f.timer.Stop()
}

func (f *follower) now() time.Time { return f.eth.clock.Now() }

func (f *follower) joined(l *protocols.Link) {
	id := peerID(l)
	f.links[id] = l
	f.eth.peers.Store(int64(len(f.links)))
	known := f.before[id] == l
	delete(f.before, id)
	if known {
		return
	}
	remote := l.Peer()
	voter := head.Peer{ID: id, Addr: remote.Addr.Addr(), Trusted: trusts(remote)}
	peer := ask.Peer{ID: id, Version: l.Version(), Range: rangeOf(l)}
	if s := protocols.StatusOf[Status68](l); s != nil {
		voter.Head = s.Head
	}
	if r := peer.Range; r != nil {
		voter.Latest, voter.Head = r.Latest, r.LatestHash
	}
	f.votes.Join(voter)
	f.do(f.schedule.Join(f.now(), peer))
}

func (f *follower) left(l *protocols.Link) {
	id := peerID(l)
	if f.links[id] != l {
		return // a later link to the same node is there
	}
	delete(f.links, id)
	f.eth.peers.Store(int64(len(f.links)))
	f.forgetPeer(id)
}

func (f *follower) forgetPeer(id enode.ID) {
	f.votes.Leave(id)
	f.do(f.schedule.Leave(f.now(), id))
}

// rangeChanged takes what a peer says that it serves from now on.
func (f *follower) rangeChanged(l *protocols.Link, r chain.Range) {
	f.votes.Update(peerID(l), r.Latest, r.LatestHash)
	f.do(f.schedule.SetRange(f.now(), peerID(l), r))
}

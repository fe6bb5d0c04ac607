package eth

import (
	"context"
	"errors"
	"fmt"
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

// asking follows the chain: it finds out the head, fills the window, and sets the view. The service
// owns it. It outlives a crash of the service that does not hit it amid its own work. After one that
// does, the next incarnation makes another: what it knows of peers is lost then, and what the window
// has is not.
type asking struct {
	eth    *Eth
	actor  actor.Context // of the service, for its own turns
	tell   func(any)     // sends the service a message, from any goroutine
	ctx    context.Context
	cancel context.CancelFunc
	amid   bool        // the service is handling a message
	lost   atomic.Bool // a goroutine for which the asking waits has panicked

	links    map[enode.ID]*protocols.Link
	before   map[enode.ID]*protocols.Link // links of the last incarnation that have not joined this one
	votes    *head.Election
	schedule *ask.Scheduler
	wants    map[ask.WantID]want
	gap      uint64          // first block of the gap that was named; 0: none was
	timer    protocols.Timer // for dueAt
	dueAt    time.Time
	running  bool // the window's run is being computed
	changed  bool // and is to be computed again
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

// askDue says that the Scheduler or the Election has something to do.
type askDue struct{ asking *asking }

// ran is the run of blocks that the node has, up to its head. keep says that it is not known, and
// that what was said before still holds.
type ran struct {
	asking   *asking
	head     chain.Block
	first    uint64
	ok, keep bool
}

// filesHead are the last headers of the files; none: there are no files.
type filesHead struct {
	asking  *asking
	headers []verify.Header
}

// rejoined says that all links that are still up have joined the service's new incarnation.
type rejoined struct{ asking *asking }

func newAsking(ctx actor.Context, e *Eth) *asking {
	if e.asking != nil {
		e.asking.stop()
	}
	root, self := ctx.ActorSystem().Root, ctx.Self()
	a := &asking{
		eth: e, actor: ctx, tell: func(msg any) { root.Send(self, msg) }, links: map[enode.ID]*protocols.Link{}, votes: head.New(slot), schedule: ask.New(ask.Config{}),
		wants: map[ask.WantID]want{},
	}
	a.ctx, a.cancel = context.WithCancel(e.ctx)
	e.window.Forget()
	e.peers.Store(0)
	e.downloads.attach(a.tell)
	a.arm()
	e.asking = a
	return a
}

// sound reports whether the asking can go on after a crash of the service.
func (a *asking) sound() bool { return a != nil && a.ctx.Err() == nil && !a.amid && !a.lost.Load() }

// resume goes on in another incarnation of the service, which all links join before it gets any other
// message. The message at hand at the crash is lost: it may have been the timer's.
func (a *asking) resume(ctx actor.Context) {
	a.actor, a.before, a.links = ctx, a.links, map[enode.ID]*protocols.Link{}
	a.tell(rejoined{a})
	if !a.now().Before(a.dueAt) {
		a.tell(askDue{a})
	}
}

// rejoined forgets the links that have ended meanwhile.
func (a *asking) rejoined() {
	for id := range a.before {
		a.forgetPeer(id)
	}
	a.before = nil
	a.renewDownloads()
}

// spawn runs f in a goroutine, whose panic is a crash of the service.
func (a *asking) spawn(f func()) {
	protocols.Go(a.actor, func() {
		done := false
		defer func() {
			if !done {
				a.lost.Store(true)
			}
		}()
		f()
		done = true
	})
}

// stop ends what the asking has begun.
func (a *asking) stop() {
	a.cancel()
	a.timer.Stop()
}

func (a *asking) now() time.Time { return a.eth.clock.Now() }

func (a *asking) joined(l *protocols.Link) {
	id := peerID(l)
	a.links[id] = l
	a.eth.peers.Store(int64(len(a.links)))
	known := a.before[id] == l
	delete(a.before, id)
	if known {
		return
	}
	remote := l.Peer()
	voter := head.Peer{ID: id, Addr: remote.Addr.Addr(), Trusted: remote.Static || remote.Trusted}
	peer := ask.Peer{ID: id, Version: l.Version(), Range: rangeOf(l)}
	if s := protocols.StatusOf[Status68](l); s != nil {
		voter.Head = s.Head
	}
	if r := peer.Range; r != nil {
		voter.Latest, voter.Head = r.Latest, r.LatestHash
	}
	a.votes.Join(voter)
	a.do(a.schedule.Join(a.now(), peer))
}

func (a *asking) left(l *protocols.Link) {
	id := peerID(l)
	if a.links[id] != l {
		return // a later link to the same node is there
	}
	delete(a.links, id)
	a.eth.peers.Store(int64(len(a.links)))
	a.forgetPeer(id)
}

func (a *asking) forgetPeer(id enode.ID) {
	a.votes.Leave(id)
	a.do(a.schedule.Leave(a.now(), id))
}

// serves takes what a peer says that it serves from now on.
func (a *asking) serves(l *protocols.Link, r chain.Range) {
	a.votes.Update(peerID(l), r.Latest, r.LatestHash)
	a.do(a.schedule.SetRange(a.now(), peerID(l), r))
}

// due does what time has made due.
func (a *asking) due() {
	now := a.now()
	for _, q := range a.votes.Ask(now) {
		a.want(ask.Want{Asker: headAsker, Kind: ask.Headers, Query: q.Query, Only: &q.Peer, Tries: 1, Deadline: now.Add(slot)}, want{asker: headAsker, heads: true})
	}
	a.follow()
	a.do(a.schedule.Tick(now))
}

// arm sets the timer for what is due next.
func (a *asking) arm() {
	if a.timer != nil {
		a.timer.Stop()
	}
	now := a.now()
	at := a.votes.Next()
	if at.Before(now.Add(time.Second)) { // at first, or while no peer can be asked
		at = now.Add(time.Second)
	}
	if next, ok := a.schedule.Next(now); ok && next.Before(at) {
		at = next
	}
	a.dueAt = at
	a.timer = a.eth.clock.AfterFunc(at.Sub(now), func() { a.tell(askDue{a}) })
}

// follow decides what the head is, and asks for what the window misses.
func (a *asking) follow() {
	decision := a.votes.Decide(a.now())
	if decision.Left != nil {
		a.eth.log.Warn("Head left for another branch", "number", decision.Left.Number, "hash", decision.Left.Hash, "by", decision.By)
	}
	if decision.Head != nil {
		a.eth.window.SetHead(decision.Branch)
		a.changed = true
	}
	if q, ok := a.eth.window.NeedHeaders(); ok && !a.wanting(func(w want) bool { return w.asker == windowAsker && w.heads }) {
		a.want(ask.Want{Asker: windowAsker, Kind: ask.Headers, Query: q, Deadline: a.now().Add(slot)}, want{asker: windowAsker, heads: true})
	}
	a.fill(ask.Bodies, chain.Body)
	a.fill(ask.Receipts, chain.Receipts)
	a.fill(ask.AccessLists, chain.AccessList)
	a.run()
}

func (a *asking) wanting(is func(want) bool) bool {
	for _, w := range a.wants {
		if is(w) {
			return true
		}
	}
	return false
}

// fill asks for a part of the window's blocks. What the files have is not asked for.
func (a *asking) fill(kind ask.Kind, part chain.Part) {
	var blocks []ask.Block
	asked := map[common.Hash]verify.Header{}
	for _, h := range a.eth.window.Missing(part, 64, func(n uint64) bool { return a.eth.files.Has(part, n) }) {
		asked[h.Hash] = h
		blocks = append(blocks, ask.Block{Number: h.Number, Hash: h.Hash})
	}
	if len(blocks) > 0 {
		a.want(ask.Want{Asker: windowAsker, Kind: kind, Blocks: blocks}, want{asker: windowAsker, part: part, asked: asked})
	}
}

// want has the Scheduler ask for something.
func (a *asking) want(w ask.Want, how want) {
	id, actions, err := a.schedule.Add(a.now(), w)
	if err != nil {
		a.finished(how, w.Blocks, err)
		return
	}
	a.wants[id] = how
	a.do(actions)
}

// finished says that a want is over, which blocks are asked for no more, and why.
func (a *asking) finished(w want, missing []ask.Block, cause error) {
	if w.download != nil {
		w.download.ended(w.wanted, cause)
		return
	}
	for _, b := range missing {
		a.eth.window.Failed(w.part, b.Hash)
	}
}

// do carries out what the Scheduler decided.
func (a *asking) do(actions []ask.Action) {
	for _, action := range actions {
		switch action := action.(type) {
		case ask.Ask:
			a.send(action)
		case ask.Finished:
			a.finished(a.wants[action.Want], action.Missing, action.Cause)
			delete(a.wants, action.Want)
		case ask.Close:
			reason := protocols.DiscSubprotocolError
			if errors.Is(action.Cause, ask.ErrSilent) {
				reason = protocols.DiscUselessPeer // which is no breach
			}
			if l := a.links[action.Peer]; l != nil {
				l.DisconnectWithError(reason, action.Cause)
			}
			a.votes.Leave(action.Peer)
		}
	}
	a.arm()
}

func (a *asking) send(action ask.Ask) {
	var asked []verify.Header
	w := a.wants[action.Request.Want]
	for _, b := range action.Request.Blocks {
		asked = append(asked, w.asked[b.Hash])
	}
	f := fetched{asking: a, link: a.links[action.Peer], peer: action.Peer, request: action.Request}
	if w.download != nil {
		f.keep = func(f *fetched) { w.download.keep(w.wanted, f) }
	}
	a.spawn(func() { fetch(a.ctx, f, asked, a.tell) })
}

// fetched takes an answer. A wrong one closes the link.
func (a *asking) fetched(f fetched) {
	_, ok, actions := a.schedule.Arrived(a.now(), f.peer, f.request.ID, f.request.Kind, 0)
	a.do(actions)
	if f.err != nil {
		f.err = fmt.Errorf("%v: %w", f.request.Kind, f.err)
	}
	if !ok {
		if f.err != nil && a.links[f.peer] == f.link { // late, or not wanted any more, and wrong
			a.do(append(a.schedule.Leave(a.now(), f.peer), ask.Close{Peer: f.peer, Cause: f.err}))
		}
		return
	}
	found := ask.Result{Headers: len(f.headers), Spoken: f.answer.Spoken, Err: f.err}
	for _, p := range f.answer.Parts {
		found.Got = append(found.Got, !p.None())
		if f.keep != nil {
			continue // it is a download's
		}
		if _, ok := a.eth.window.Put(p); ok || !p.None() {
			a.changed = true
		}
	}
	switch w := a.wants[f.request.Want]; {
	case f.err != nil:
	case w.asker == headAsker:
		a.votes.Answer(a.now(), f.peer, f.request.Query, f.headers)
	case w.heads:
		a.eth.window.PutBelow(f.headers)
	}
	a.do(a.schedule.Done(a.now(), f.request.ID, found))
	a.follow()
}

// partFetched gives the peer time for the rest of an answer.
func (a *asking) partFetched(f partFetched) {
	if _, ok, actions := a.schedule.Arrived(a.now(), f.peer, f.request.ID, f.request.Kind, 0); ok {
		a.schedule.Continue(a.now(), f.request.ID, ask.Result{})
	} else {
		a.do(actions)
	}
}

// run computes which blocks the node has, outside the actor, because the files are read for that.
func (a *asking) run() {
	if a.running || !a.changed {
		return
	}
	a.running, a.changed = true, false
	a.spawn(func() {
		r := ran{asking: a}
		if r.head, r.first, r.ok = a.eth.window.Run(); !r.ok {
			r.head, r.first, r.ok = a.eth.files.Head()
			r.keep = a.keeps(r)
		}
		a.tell(r)
	})
}

// keeps reports whether the head that was said before is still served, and no lower than that of the
// files: the parts of a new head are asked for.
func (a *asking) keeps(files ran) bool {
	said, ok := a.eth.view.Head()
	if !ok || files.ok && files.head.Number > said.Number {
		return false
	}
	if _, ok := a.eth.window.Number(said.Hash); !ok {
		return false
	}
	for _, p := range []chain.Part{chain.Body, chain.Receipts} {
		if _, err := a.eth.window.Read(p, said.Number); err != nil {
			return false
		}
	}
	return true
}

func (a *asking) ran(r ran) {
	a.running = false
	switch {
	case r.keep:
	case r.ok:
		a.eth.view.Set(r.head, r.first)
		a.nameGap(r)
	default:
		a.eth.view.Reset()
	}
	a.run()
}

// readFiles reads the last headers of the files, outside the actor.
func (a *asking) readFiles() {
	a.spawn(func() { a.tell(filesHead{a, a.eth.files.lastHeaders()}) })
}

func (a *asking) filesHead(headers []verify.Header) {
	a.votes.Set("files", headers)
	a.changed = true
	a.cancelFound()
	a.follow()
}

// cancelFound ends wants with parts that the files have by now. What such a want has besides is asked
// for anew.
func (a *asking) cancelFound() {
	for id, w := range a.wants {
		found := false
		for _, h := range w.asked {
			found = found || a.eth.files.Has(w.part, h.Number)
		}
		if !found {
			continue
		}
		delete(a.wants, id)
		for hash := range w.asked {
			a.eth.window.Failed(w.part, hash)
		}
		a.do(a.schedule.Cancel(a.now(), id))
	}
}

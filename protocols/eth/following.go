package eth

import (
	"errors"
	"fmt"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/troupe-p2p/troupe/protocols"
	"github.com/troupe-p2p/troupe/protocols/eth/ask"
	"github.com/troupe-p2p/troupe/protocols/eth/chain"
	"github.com/troupe-p2p/troupe/protocols/eth/verify"
)

// due does what time has made due.
func (f *follower) due() {
	now := f.now()
	for id, l := range f.links {
		f.votes.SetTrusted(id, trusts(l.Peer())) // which the operator may have changed
	}
	for _, q := range f.votes.Ask(now) {
		f.add(ask.Want{Asker: headAsker, Kind: ask.Headers, Query: q.Query, Only: &q.Peer, Tries: 1, Deadline: now.Add(slot)}, want{asker: headAsker, heads: true})
	}
	f.follow()
	f.do(f.schedule.Tick(now))
}

// arm sets the timer for what is due next.
func (f *follower) arm() {
	if f.timer != nil {
		f.timer.Stop()
	}
	now := f.now()
	at := f.votes.Next()
	if at.Before(now.Add(time.Second)) { // at first, or while no peer can be asked
		at = now.Add(time.Second)
	}
	if next, ok := f.schedule.Next(now); ok && next.Before(at) {
		at = next
	}
	f.dueAt = at
	f.timer = f.eth.clock.AfterFunc(at.Sub(now), func() { f.tell(followerDue{f}) })
}

// follow decides what the head is, and asks for what the window misses.
func (f *follower) follow() {
	decision := f.votes.Decide(f.now())
	if decision.Left != nil {
		f.eth.log.Warn("head left for another branch", "number", decision.Left.Number, "hash", decision.Left.Hash, "by", decision.By)
	}
	if decision.Head != nil {
		f.eth.window.SetHead(decision.Branch)
		f.changed = true
	}
	if q, ok := f.eth.window.NeedHeaders(); ok && !f.wanting(func(w want) bool { return w.asker == windowAsker && w.heads }) {
		f.add(ask.Want{Asker: windowAsker, Kind: ask.Headers, Query: q, Deadline: f.now().Add(slot)}, want{asker: windowAsker, heads: true})
	}
	f.fill(ask.Bodies, chain.Body)
	f.fill(ask.Receipts, chain.Receipts)
	f.fill(ask.AccessLists, chain.AccessList)
	f.computeRun()
}

func (f *follower) wanting(is func(want) bool) bool {
	for _, w := range f.wants {
		if is(w) {
			return true
		}
	}
	return false
}

// fill asks for a part of the window's blocks. What the files have is not asked for.
func (f *follower) fill(kind ask.Kind, part chain.Part) {
	var blocks []ask.Block
	asked := map[common.Hash]verify.Header{}
	for _, h := range f.eth.window.Missing(part, 64, func(h *verify.Header) bool { return f.eth.files.HasBlock(part, h.Number, h.Hash) }) {
		asked[h.Hash] = h
		blocks = append(blocks, ask.Block{Number: h.Number, Hash: h.Hash})
	}
	if len(blocks) > 0 {
		f.add(ask.Want{Asker: windowAsker, Kind: kind, Blocks: blocks}, want{asker: windowAsker, part: part, asked: asked})
	}
}

// add has the Scheduler ask for something.
func (f *follower) add(w ask.Want, how want) {
	id, actions, err := f.schedule.Add(f.now(), w)
	if err != nil {
		f.finished(how, w.Blocks, err)
		return
	}
	f.wants[id] = how
	f.do(actions)
}

// finished says that a want is over, which blocks are asked for no more, and why.
func (f *follower) finished(w want, missing []ask.Block, cause error) {
	if w.download != nil {
		w.download.ended(w.wanted, cause)
		return
	}
	for _, b := range missing {
		f.eth.window.Failed(w.part, b.Hash)
	}
}

// do carries out what the Scheduler decided.
func (f *follower) do(actions []ask.Action) {
	for _, action := range actions {
		switch action := action.(type) {
		case ask.Ask:
			f.send(action)
		case ask.Finished:
			f.finished(f.wants[action.Want], action.Missing, action.Cause)
			delete(f.wants, action.Want)
		case ask.Close:
			reason := protocols.DiscSubprotocolError
			if errors.Is(action.Cause, ask.ErrSilent) {
				reason = protocols.DiscUselessPeer // which is no breach
			}
			if l := f.links[action.Peer]; l != nil {
				l.DisconnectWithError(reason, action.Cause)
			}
			f.votes.Leave(action.Peer)
		}
	}
	f.arm()
}

func (f *follower) send(action ask.Ask) {
	var asked []verify.Header
	w := f.wants[action.Request.Want]
	for _, b := range action.Request.Blocks {
		asked = append(asked, w.asked[b.Hash])
	}
	got := fetched{follower: f, link: f.links[action.Peer], peer: action.Peer, request: action.Request}
	if w.download != nil {
		got.keep = func(got *fetched) { w.download.keep(w.wanted, got) }
	}
	f.spawn(func() { fetch(f.ctx, got, asked, f.tell) })
}

// answered takes an answer. A wrong one closes the link.
func (f *follower) answered(got fetched) {
	_, ok, actions := f.schedule.Arrived(f.now(), got.peer, got.request.ID, got.request.Kind, 0)
	f.do(actions)
	if got.err != nil {
		got.err = fmt.Errorf("%v: %w", got.request.Kind, got.err)
	}
	if !ok {
		if got.err != nil && f.links[got.peer] == got.link { // late, or not wanted any more, and wrong
			f.do(append(f.schedule.Leave(f.now(), got.peer), ask.Close{Peer: got.peer, Cause: got.err}))
		}
		return
	}
	found := ask.Result{Headers: len(got.headers), Spoken: got.answer.Spoken, Err: got.err}
	for _, p := range got.answer.Parts {
		found.Got = append(found.Got, !p.None())
		if got.keep != nil {
			continue // it is a download's
		}
		if _, ok := f.eth.window.Put(p); ok || !p.None() {
			f.changed = true
		}
	}
	switch w := f.wants[got.request.Want]; {
	case got.err != nil:
	case w.asker == headAsker:
		f.votes.Answer(f.now(), got.peer, got.request.Query, got.headers)
	case w.heads:
		f.eth.window.PutBelow(got.headers)
	}
	f.do(f.schedule.Done(f.now(), got.request.ID, found))
	f.follow()
}

// partAnswered gives the peer time for the rest of an answer.
func (f *follower) partAnswered(got partFetched) {
	if _, ok, actions := f.schedule.Arrived(f.now(), got.peer, got.request.ID, got.request.Kind, 0); ok {
		f.schedule.Continue(f.now(), got.request.ID, ask.Result{})
	} else {
		f.do(actions)
	}
}

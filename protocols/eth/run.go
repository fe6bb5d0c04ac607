package eth

import (
	"github.com/troupe-p2p/troupe/protocols/eth/chain"
	"github.com/troupe-p2p/troupe/protocols/eth/verify"
)

// run is the run of blocks that the node has, up to its head.
type run struct {
	follower *follower
	head     chain.Block
	first    uint64 // number of the first block
	ok       bool   // there is one
	keep     bool   // it could not be computed, and the one before still holds
	indexed  bool   // it is the first one after all files were indexed
}

// filesHead are the last headers of the files; none: there are no files.
type filesHead struct {
	follower *follower
	headers  []verify.Header
	indexed  bool // all files are indexed
}

// computeRun computes which blocks the node has, outside the actor, because the files are read for that.
func (f *follower) computeRun() {
	if f.running || !f.changed {
		return
	}
	r := run{follower: f, indexed: f.indexed}
	f.running, f.changed, f.indexed = true, false, false
	f.spawn(func() {
		if r.head, r.first, r.ok = f.eth.window.Run(); !r.ok {
			r.head, r.first, r.ok = f.eth.files.Head()
			r.keep = f.keeps(r)
		}
		f.tell(r)
	})
}

// keeps reports whether the head that was said before is still served, and no lower than that of the
// files: the parts of a new head are asked for.
func (f *follower) keeps(files run) bool {
	said, ok := f.eth.view.Head()
	if !ok || files.ok && files.head.Number > said.Number {
		return false
	}
	if _, ok := f.eth.window.Number(said.Hash); !ok {
		return false
	}
	for _, p := range []chain.Part{chain.Body, chain.Receipts} {
		if _, err := f.eth.window.Read(p, said.Number); err != nil {
			return false
		}
	}
	return true
}

// setRun says in the view what the node has.
func (f *follower) setRun(r run) {
	f.running = false
	switch {
	case r.keep:
	case r.ok:
		f.eth.view.Set(r.head, r.first)
		f.nameGap(r)
	default:
		f.eth.view.Reset()
	}
	if r.indexed {
		f.logIndexed()
	}
	f.computeRun()
}

// logIndexed logs what there is to serve.
func (f *follower) logIndexed() {
	s := f.eth.files.State()
	if s.Files == 0 {
		return
	}
	r := f.eth.view.Range()
	f.eth.log.Info("history files indexed", "files", s.Files, "leftout", len(s.LeftOut), "blocks", s.Blocks, "from", r.Earliest, "to", r.Latest)
}

// readFiles reads the last headers of the files, outside the actor. indexed says that all files are
// indexed.
func (f *follower) readFiles(indexed bool) {
	f.spawn(func() { f.tell(filesHead{f, f.eth.files.lastHeaders(), indexed}) })
}

// setFilesHead takes what the files say of the head.
func (f *follower) setFilesHead(msg filesHead) {
	f.votes.Set("files", msg.headers)
	f.changed, f.indexed = true, f.indexed || msg.indexed
	f.cancelFound()
	f.follow()
}

// cancelFound ends wants with parts that the files have by now. What such a want has besides is asked
// for anew.
func (f *follower) cancelFound() {
	for id, w := range f.wants {
		if w.download != nil {
			continue // which asks for what the files lack
		}
		found := false
		for _, h := range w.asked {
			found = found || f.eth.files.HasBlock(w.part, h.Number, h.Hash)
		}
		if !found {
			continue
		}
		delete(f.wants, id)
		for hash := range w.asked {
			f.eth.window.Failed(w.part, hash)
		}
		f.do(f.schedule.Cancel(f.now(), id))
	}
}

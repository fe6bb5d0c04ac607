package eth

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/rlp"

	"github.com/troupe-p2p/troupe/protocols"
	"github.com/troupe-p2p/troupe/protocols/eth/chain"
	"github.com/troupe-p2p/troupe/protocols/eth/history"
)

// filler downloads what the history files lack, up to a few blocks below the head. Its goroutine looks once in a slot
// whether a download is due, and waits for it. It outlives crashes of the service, and begins anew after one of its own.
type filler struct {
	eth     *Eth
	dir     string
	running atomic.Bool
	all     sync.WaitGroup // the goroutine
	plan    fillPlan       // only the goroutine uses it
	empty   bool           // the log says that there are no files
}

var (
	errNoDirectory  = errors.New("--eth.fill needs a directory in --eth.history, into which it writes")
	errStillMissing = errors.New("the blocks are still missing: a file of the directory that has them is left out; move it away")
)

// openFiller finds the directory to fill. It writes nothing yet.
func (e *Eth) openFiller(env *protocols.Env) error {
	if !e.cfg.Fill {
		return nil
	}
	for _, path := range e.cfg.History {
		if info, err := os.Stat(path); err == nil && info.IsDir() {
			e.filler = &filler{eth: e, dir: path}
			env.Cleanup(e.filler.all.Wait)
			return nil
		}
	}
	return errNoDirectory
}

// start runs the goroutine, unless it runs. A panic of it is a crash of the service, whose next incarnation
// starts it again.
func (f *filler) start(ctx actor.Context) {
	if f == nil || !f.running.CompareAndSwap(false, true) {
		return
	}
	f.all.Add(1)
	protocols.Go(ctx, func() {
		defer f.all.Done()
		defer f.running.Store(false)
		for f.sleep(f.eth.ctx, slot) {
			f.look(f.eth.ctx)
		}
	})
}

// sleep waits; ok is false if ctx has ended.
func (f *filler) sleep(ctx context.Context, d time.Duration) (ok bool) {
	over := make(chan struct{})
	timer := f.eth.clock.AfterFunc(d, func() { close(over) })
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-over:
		return ctx.Err() == nil
	}
}

// look downloads the range that is due, if there is one.
func (f *filler) look(ctx context.Context) {
	if !f.eth.files.State().Complete || f.eth.peers.Load() == 0 {
		return
	}
	gap, ok := f.due(ctx)
	if !ok {
		return
	}
	err := f.fill(ctx, gap)
	if ctx.Err() != nil {
		return
	}
	if err == nil && len(f.missing(history.Range{First: gap.First, Last: gap.First})) > 0 {
		err = errStillMissing
	}
	if err != nil {
		f.eth.log.Error("filling the history failed; it is tried again", "first", gap.First, "last", gap.Last, "dir", f.dir,
			"in", f.plan.fail(f.eth.clock.Now(), gap), "err", err)
		return
	}
	f.eth.log.Info("history filled", "first", gap.First, "last", gap.Last, "dir", f.dir)
}

// firstOfFiles returns the first block of the files; ok is false if there are no files. Another download may have put the
// first into the directory.
func (f *filler) firstOfFiles(ctx context.Context) (first uint64, ok bool) {
	if first, ok = f.eth.files.First(); ok {
		return first, true
	}
	err := f.eth.files.Rescan(ctx)
	if first, ok = f.eth.files.First(); ok || f.empty {
		return first, ok
	}
	f.empty = true
	f.eth.log.Warn("nothing is filled: there are no history files to go on from; 'node eth sync' downloads the first", "dir", f.dir)
	if err != nil {
		f.eth.log.Warn("looking for new history files failed", "dir", f.dir, "err", err)
	}
	return first, ok
}

// due returns the range that is to be downloaded.
func (f *filler) due(ctx context.Context) (r history.Range, ok bool) {
	first, ok := f.firstOfFiles(ctx)
	if !ok {
		return r, false
	}
	head, ok := f.eth.view.Head()
	if !ok || head.Number < first+fillBelow {
		return r, false
	}
	missing := f.missing(history.Range{First: max(first, 1), Last: head.Number - fillBelow})
	return f.plan.next(f.eth.clock.Now(), missing, head.Number, f.forked())
}

// missing returns which blocks of a range the files do not have whole.
func (f *filler) missing(in history.Range) []history.Range {
	return f.eth.files.Missing(in, chain.Header, chain.Body, chain.Receipts)
}

// forked reports whether the window has another block in place of the last of the files.
func (f *filler) forked() bool {
	last, ok := f.eth.files.Last()
	if !ok {
		return false
	}
	b, err := f.eth.window.Read(chain.Header, last.Number)
	return err == nil && crypto.Keccak256Hash(b) != last.Hash
}

// reportFill is after how many reports of a download the log says how far it is: 10 minutes.
const reportFill = 120

// fill downloads a range. All headers come first: no file is written before they are known to go on from the
// blocks below.
func (f *filler) fill(ctx context.Context, r history.Range) error {
	if err := f.eth.files.Rescan(ctx); err != nil { // after a kill or another download
		return err
	}
	to, err := f.lastOf(r)
	if err != nil {
		return err
	}
	f.eth.log.Info("filling the history", "first", r.First, "last", r.Last, "dir", f.dir)
	reports := 0
	d := Download{Dir: f.dir, To: to, From: r.First, HeadersOnly: true, Report: func(p Progress) {
		if reports++; reports%reportFill == 0 {
			f.eth.log.Info("the history is being filled", "next", p.Next, "headers", p.NewHeaders, "bodies", p.NewBodies, "files", p.Written)
		}
	}}
	if _, err := f.eth.Download(ctx, d); err != nil {
		return err
	}
	if err := f.eth.files.Rescan(ctx); err != nil { // Download has removed what a kill left
		return err
	}
	d.HeadersOnly, d.Written = false, func(string) { err = f.eth.files.Rescan(ctx) }
	if _, failed := f.eth.Download(ctx, d); failed != nil || err == nil {
		return failed
	}
	return f.eth.files.Rescan(ctx)
}

// lastOf returns the hash of the last block of a range, which the header above it has.
func (f *filler) lastOf(r history.Range) (hash common.Hash, err error) {
	b, err := f.eth.window.Read(chain.Header, r.Last+1)
	if err != nil {
		return hash, fmt.Errorf("header of block %d: %w", r.Last+1, err)
	}
	h := new(types.Header)
	if err := rlp.DecodeBytes(b, h); err != nil {
		return hash, fmt.Errorf("header of block %d: %w", r.Last+1, err)
	}
	return h.ParentHash, nil
}

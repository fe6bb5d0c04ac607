package eth

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/troupe-p2p/troupe/protocols/eth/ask"
	"github.com/troupe-p2p/troupe/protocols/eth/backfill"
	"github.com/troupe-p2p/troupe/protocols/eth/chain"
	"github.com/troupe-p2p/troupe/protocols/eth/history"
)

// Download says what [Eth.Download] downloads from the node's peers.
type Download struct {
	// Dir is the directory of the .ere files. It is made unless it exists.
	Dir string
	// To is the hash of the last block, and From the number of the first, which is rounded down to the first
	// of its epoch.
	To   common.Hash
	From uint64
	// HeadersOnly downloads headers alone. They are kept in the directory for a later download.
	HeadersOnly bool
	// Report, if set, is called every few seconds, and at the end. Written, if set, is called after
	// each file, maybe at the same time.
	Report  func(Progress)
	Written func(path string)
}

// Progress is what a download has done.
type Progress struct {
	backfill.Status
	// Peers is the number of links.
	Peers int `json:"peers"`
	// NewHeaders, NewBodies and NewReceipts are how many came. Empty ones need not come.
	NewHeaders  uint64 `json:"newHeaders"`
	NewBodies   uint64 `json:"newBodies"`
	NewReceipts uint64 `json:"newReceipts"`
	// Trouble is what went wrong last: a wrong answer, or why something did not come.
	Trouble error `json:"-"`
}

// ErrStalled says that for some time peers delivered nothing of a download.
var ErrStalled = errors.New("the download does not go on")

var errOwnSource = errors.New("a node with a Source of its own asks peers for nothing")

const (
	// reportEvery is the time between two reports.
	reportEvery = 5 * time.Second
	// stalled is after how many reports without anything new a download is given up: 5 minutes.
	stalled = 60
	// maxOut is how many requests of a download the Scheduler has at a time. Their blocks are some 2,000,
	// more than all peers are asked for at once.
	maxOut = 32
)

// download is a download that runs. Its goroutine asks for what is next and writes files; the
// service has peers asked; the goroutines that check answers keep what is right on the disk.
type download struct {
	eth    *Eth
	config Download
	sync   *backfill.Sync
	wake   chan struct{} // has room for one

	mu      sync.Mutex
	out     map[*backfill.Request]struct{}
	over    []*backfill.Request // that the service is done with
	crowded bool                // the Scheduler has no room until the next report
	ticked  bool                // a report is due
	writing bool
	err     error // ends the download
	trouble error
	came    [chain.Parts]uint64
}

// Download downloads blocks of the node's chain backward, from a hash, into a directory of .ere files,
// and returns when that is done, cannot be done, or ctx ends. What came is kept: the next download into the
// directory goes on from there. It asks the peers of the node, which gives it a share of their time, and
// waits for the disk: it is for goroutines outside actors. The error is one of package backfill, of the
// disk, ErrStalled, or the cause of ctx.
func (e *Eth) Download(ctx context.Context, c Download) (Progress, error) {
	if e.files == nil {
		return Progress{}, errOwnSource
	}
	s, err := backfill.Open(backfill.Config{
		Dir: c.Dir, Network: history.NetworkName(e.network.ID), Genesis: e.network.Genesis,
		Target: c.To, From: c.From, HeadersOnly: c.HeadersOnly, Log: e.log,
	})
	if err != nil {
		return Progress{}, err
	}
	d := &download{eth: e, config: c, sync: s, wake: make(chan struct{}, 1), out: map[*backfill.Request]struct{}{}}
	e.downloads.add(d)
	err = d.run(ctx)
	e.downloads.remove(d)
	e.downloads.tell(downloadOver{d})
	p := d.progress()
	if c.Report != nil {
		c.Report(p)
	}
	return p, errors.Join(err, s.Close())
}

// run runs the download to its end. When it returns, nothing is being written.
func (d *download) run(ctx context.Context) error {
	var writers sync.WaitGroup
	defer writers.Wait()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	timer := d.eth.clock.AfterFunc(reportEvery, d.tick)
	defer func() { timer.Stop() }()
	for last, quiet := uint64(0), 0; ; {
		if err := d.proceed(); err != nil {
			return err
		}
		status := d.sync.Status()
		if status.Done {
			return nil
		}
		if status.Ready && d.beginWriting() {
			writers.Go(func() { d.write(ctx) })
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-d.wake:
		}
		if !d.takeTick() {
			continue
		}
		p := d.progress()
		if d.config.Report != nil {
			d.config.Report(p)
		}
		if now := p.NewHeaders + p.NewBodies + p.NewReceipts + uint64(p.Written); now != last || d.isWriting() {
			last, quiet = now, 0
		} else if quiet++; quiet >= stalled {
			return p.stalled()
		}
		timer = d.eth.clock.AfterFunc(reportEvery, d.tick)
	}
}

// stalled returns the error of a download to which nothing has come.
func (p *Progress) stalled() error {
	err := fmt.Errorf("%w: nothing new for %v, with %d peers", ErrStalled, stalled*reportEvery, p.Peers)
	if !p.Known {
		err = fmt.Errorf("%w; none has sent the last block", err)
	}
	if p.Trouble != nil {
		err = fmt.Errorf("%w; last: %w", err, p.Trouble)
	}
	return err
}

// proceed ends requests that are over, and asks for what is next.
func (d *download) proceed() error {
	d.mu.Lock()
	over, room, err := d.over, maxOut-len(d.out), d.err
	if d.over = nil; d.crowded {
		room = 0
	}
	d.mu.Unlock()
	if err != nil {
		return err
	}
	for _, r := range over {
		d.sync.End(r)
	}
	if !d.eth.downloads.served() {
		return nil // there is no service at the moment
	}
	for ; room > 0; room-- {
		r, err := d.sync.Next()
		if err != nil {
			return err
		}
		if r == nil {
			break
		}
		d.mu.Lock()
		d.out[r] = struct{}{}
		d.mu.Unlock()
		d.eth.downloads.tell(downloadWant{d, r})
	}
	return nil
}

func (d *download) beginWriting() (ok bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	ok, d.writing = !d.writing, true
	return ok
}

func (d *download) isWriting() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.writing
}

// write writes one file.
func (d *download) write(ctx context.Context) {
	path, err := d.sync.Write(ctx)
	if err == nil && path != "" && d.config.Written != nil {
		d.config.Written(path)
	}
	d.mu.Lock()
	d.writing = false
	d.mu.Unlock()
	d.poke() // an error is that of Next, too
}

func (d *download) tick() {
	d.mu.Lock()
	d.ticked, d.crowded = true, false
	d.mu.Unlock()
	d.poke()
}

func (d *download) takeTick() (ticked bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	ticked, d.ticked = d.ticked, false
	return ticked
}

// poke wakes the download's goroutine.
func (d *download) poke() {
	select {
	case d.wake <- struct{}{}:
	default:
	}
}

// progress returns what was done.
func (d *download) progress() Progress {
	p := Progress{Status: d.sync.Status(), Peers: int(d.eth.peers.Load())}
	d.mu.Lock()
	defer d.mu.Unlock()
	p.NewHeaders, p.NewBodies, p.NewReceipts, p.Trouble = d.came[chain.Header], d.came[chain.Body], d.came[chain.Receipts], d.trouble
	return p
}

// keep writes what is right in an answer to the disk. The goroutine that checked it calls keep.
func (d *download) keep(r *backfill.Request, f *fetched) {
	var taken int
	var err error
	if r.Part == chain.Header {
		taken, err = d.sync.PutHeaders(r, f.headers)
	} else {
		taken, err = d.sync.PutParts(r, f.answer.Parts)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.came[r.Part] += uint64(taken)
	if d.err == nil {
		d.err = err
	}
	if f.err != nil {
		d.trouble = fmt.Errorf("a wrong answer of %s: %w", f.peer.TerminalString(), f.err)
	}
}

// isOut reports whether a request is one of those that peers are to be asked for.
func (d *download) isOut(r *backfill.Request) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	_, ok := d.out[r]
	return ok
}

// ended says that the service is done with a request, and why it is not whole.
func (d *download) ended(r *backfill.Request, cause error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, ok := d.out[r]; !ok {
		return
	}
	delete(d.out, r)
	d.over = append(d.over, r)
	if errors.Is(cause, ask.ErrFull) {
		d.crowded = true
	} else if cause != nil {
		d.trouble = fmt.Errorf("%s of %s: %w", r.Part, describe(r), cause)
	}
	d.poke()
}

// describe names the blocks of a request.
func describe(r *backfill.Request) string {
	switch {
	case len(r.Blocks) > 0:
		return fmt.Sprintf("blocks %d to %d", r.Blocks[0].Number, r.Blocks[len(r.Blocks)-1].Number)
	case r.Number > 0:
		return fmt.Sprintf("block %d and before", r.Number)
	}
	return "block " + r.Query.Origin.Hash.String() + " and before"
}

// restart says that the service has begun anew, and knows of some requests. The others are asked for
// again.
func (d *download) restart(known map[*backfill.Request]bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for r := range d.out {
		if !known[r] {
			delete(d.out, r)
			d.over = append(d.over, r)
		}
	}
	d.poke()
}

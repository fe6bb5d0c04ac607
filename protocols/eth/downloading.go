package eth

import (
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/troupe-p2p/troupe/protocols/eth/ask"
	"github.com/troupe-p2p/troupe/protocols/eth/backfill"
	"github.com/troupe-p2p/troupe/protocols/eth/chain"
	"github.com/troupe-p2p/troupe/protocols/eth/verify"
)

// downloads are the downloads that run, and how the service is told of them. They outlive the service's
// actor.
type downloads struct {
	mu      sync.Mutex
	running map[*download]struct{}
	service func(msg any) // nil: none runs
}

func (d *downloads) add(one *download) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.running == nil {
		d.running = map[*download]struct{}{}
	}
	d.running[one] = struct{}{}
}

func (d *downloads) remove(one *download) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.running, one)
}

// attach says which service there is, a new one or none.
func (d *downloads) attach(tell func(msg any)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.service = tell
	for one := range d.running {
		one.restart(nil)
	}
}

// restart says that the service has begun anew, and knows of some requests.
func (d *downloads) restart(known map[*backfill.Request]bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for one := range d.running {
		one.restart(known)
	}
}

func (d *downloads) served() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.service != nil
}

// tell sends the service a message, if there is one.
func (d *downloads) tell(msg any) {
	d.mu.Lock()
	tell := d.service
	d.mu.Unlock()
	if tell != nil {
		tell(msg)
	}
}

// downloadAsker is the asker of all downloads.
const downloadAsker = "download"

// downloadDeadline is when a download is told of what did not come. It asks for it again.
const downloadDeadline = 2 * time.Minute

// downloadWant says what a download wants of peers.
type downloadWant struct {
	download *download
	request  *backfill.Request
}

// downloadOver says that a download wants nothing any more.
type downloadOver struct{ download *download }

var kindOf = map[chain.Part]ask.Kind{chain.Header: ask.Headers, chain.Body: ask.Bodies, chain.Receipts: ask.Receipts}

// addDownload has the Scheduler ask for what a download wants. A request that an incarnation before was
// told of is not out any more.
func (f *follower) addDownload(msg downloadWant) {
	r := msg.request
	if !msg.download.isOut(r) {
		return
	}
	w := ask.Want{Asker: downloadAsker, Kind: kindOf[r.Part], Query: r.Query, Number: r.Number, Deadline: f.now().Add(downloadDeadline)}
	asked := map[common.Hash]verify.Header{}
	for _, h := range r.Blocks {
		asked[h.Hash] = h
		w.Blocks = append(w.Blocks, ask.Block{Number: h.Number, Hash: h.Hash})
	}
	f.add(w, want{asker: downloadAsker, asked: asked, download: msg.download, wanted: r})
}

// dropDownload forgets what a download wants.
func (f *follower) dropDownload(d *download) {
	for id, w := range f.wants {
		if w.download == d {
			delete(f.wants, id)
			f.do(f.schedule.Cancel(f.now(), id))
		}
	}
}

// renewDownloads tells downloads of a crash of the service, which has not hit the follower: the message at hand,
// which is lost, may have been a download's.
func (f *follower) renewDownloads() {
	known := map[*backfill.Request]bool{}
	for _, w := range f.wants {
		known[w.wanted] = true
	}
	f.eth.downloads.restart(known)
}

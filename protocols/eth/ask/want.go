package ask

import (
	"fmt"
	"slices"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/troupe-p2p/troupe/protocols/eth/serve"
)

// Kind is what a request asks for.
type Kind uint8

// The kinds of requests.
const (
	Headers Kind = iota
	Bodies
	Receipts
	AccessLists
	kinds // their number
)

func (k Kind) String() string {
	return [...]string{"headers", "bodies", "receipts", "block access lists"}[k]
}

// lists is the first version of eth that has block access lists.
const lists = 71

// limits are the most items of a request, least the fewest, and start is how many a peer is asked
// for at first. go-ethereum serves 1,024; bodies and receipts fill a message sooner. Headers are
// small: 64 of them are some 40 kB.
var (
	least  = [kinds]int{Headers: 64, Bodies: 1, Receipts: 1, AccessLists: 1}
	limits = [kinds]int{Headers: serve.MaxItems, Bodies: 256, Receipts: 256, AccessLists: 256}
	start  = [kinds]int{Headers: 192, Bodies: 16, Receipts: 16, AccessLists: 8}
)

// Block is a block of which a part is wanted.
type Block struct {
	Number uint64
	Hash   common.Hash
}

// Want is what an asker wants.
type Want struct {
	// Asker names the asker. Askers get equal shares of the peers' time.
	Asker string
	Kind  Kind
	// Query is what is wanted of headers. It is answered whole by one peer, maybe with less than its
	// amount: the asker goes on from there.
	Query serve.HeadersQuery
	// Number of a Query by hash says about which block it is. Zero: not known.
	Number uint64
	// Blocks are what is wanted of the other kinds. They are spread over peers.
	Blocks []Block
	// Only, if set, is the one peer to ask.
	Only *enode.ID
	// Tries is after how many time-outs and answers without it a block is given up. Zero: no limit.
	Tries int
	// Deadline is when what is missing is given up. Zero: after Config.Patience.
	Deadline time.Time
}

// WantID identifies a want.
type WantID uint64

// Request is one request to a peer.
type Request struct {
	ID     uint64
	Want   WantID
	Kind   Kind
	Query  serve.HeadersQuery // of headers
	Blocks []Block            // of the other kinds
}

// Items returns how many items an answer may have.
func (r *Request) Items() int {
	if r.Kind == Headers {
		return int(r.Query.Amount)
	}
	return len(r.Blocks)
}

// Action is what the caller has to do: Ask, Finished or Close.
type Action interface{ action() }

// Ask sends a request to a peer.
type Ask struct {
	Peer    enode.ID
	Request Request
}

// Finished says that a want is over.
type Finished struct {
	Want    WantID
	Missing []Block // that were given up; nil for headers
	Cause   error   // why, nil if nothing is missing
}

// Close ends the link to a peer.
type Close struct {
	Peer  enode.ID
	Cause error
}

func (Ask) action()      {}
func (Finished) action() {}
func (Close) action()    {}

// check returns an error for a want that can't be.
func (w *Want) check() error {
	switch {
	case w.Kind >= kinds:
		return fmt.Errorf("%w: kind %d", ErrWant, w.Kind)
	case w.Kind == Headers && (len(w.Blocks) != 0 || w.Query.Amount == 0):
		return fmt.Errorf("%w: headers are wanted by a query with an amount", ErrWant)
	case w.Kind != Headers && len(w.Blocks) == 0:
		return fmt.Errorf("%w: no blocks", ErrWant)
	}
	return nil
}

// job is a want, and what has become of its items.
type job struct {
	Want
	id       WantID
	asker    *asker
	items    []item // one for each block, one alone for headers
	pending  []int  // indices of items that are to be asked for, in their order
	inFlight int    // requests
	over     bool   // finished or cancelled
}

// item is a block of a want, or its query.
type item struct {
	key   key
	tries int
	why   error // why it is missing
	got   bool
}

// key says what a peer may lack.
type key struct {
	kind   Kind
	number uint64 // of a query by number
	hash   common.Hash
}

func newJob(id WantID, a *asker, w Want) *job {
	j := &job{Want: w, id: id, asker: a}
	if w.Kind == Headers {
		k := key{Headers, w.Query.Origin.Number, w.Query.Origin.Hash}
		if k.hash != (common.Hash{}) {
			k.number = 0
		}
		j.items = []item{{key: k}}
	}
	for _, b := range w.Blocks {
		j.items = append(j.items, item{key: key{kind: w.Kind, hash: b.Hash}})
	}
	for i := range j.items {
		j.pending = append(j.pending, i)
	}
	return j
}

// number returns the number of the block of an item; ok is false if it is not known.
func (j *job) number(i int) (n uint64, ok bool) {
	if j.Kind != Headers {
		return j.Blocks[i].Number, true
	}
	if j.Query.Origin.Hash == (common.Hash{}) {
		return j.Query.Origin.Number, true
	}
	return j.Number, j.Number != 0
}

// back puts an item back that was asked for in vain. It is given up after its last try.
func (j *job) back(i int, why error) {
	it := &j.items[i]
	if it.got {
		return
	}
	if it.why = why; why != ErrPeerLeft {
		it.tries++
	}
	if j.Tries > 0 && it.tries >= j.Tries {
		return
	}
	j.put(i)
}

// put puts an item among those that are to be asked for, unless it is there.
func (j *job) put(i int) {
	if j.items[i].got {
		return
	}
	at, _ := slices.BinarySearch(j.pending, i)
	j.pending = slices.Insert(j.pending, at, i)
}

// finished returns what is missing, and why.
func (j *job) finished() Finished {
	f := Finished{Want: j.id}
	for i := range j.items {
		if j.items[i].got {
			continue
		}
		if f.Cause == nil {
			if f.Cause = j.items[i].why; f.Cause == nil {
				f.Cause = ErrNoPeer
			}
		}
		if j.Kind != Headers {
			f.Missing = append(f.Missing, j.Blocks[i])
		}
	}
	return f
}

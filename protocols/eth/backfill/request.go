package backfill

import (
	"errors"
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"

	"github.com/troupe-p2p/troupe/protocols/eth/chain"
	"github.com/troupe-p2p/troupe/protocols/eth/history"
)

const (
	// maxHeaders and maxParts are how many items a request asks for. Peers answer with fewer where
	// an answer would be too large.
	maxHeaders = 192
	maxParts   = 64
)

// Request is what a peer is to be asked for. It is ended by Add or Abandon.
type Request struct {
	// Part is Header, Body or Receipts.
	Part chain.Part
	// Origin is the hash of the first header, and Amount how many: the others are its ancestors, down
	// (skip 0, reverse).
	Origin common.Hash
	Amount int
	// Hashes are the blocks whose bodies or receipts are asked for, of ascending numbers from First.
	Hashes []common.Hash
	First  uint64

	headers []*types.Header // of Hashes
	epoch   *epoch
	ended   bool
}

// Invalid says that an answer is not what was asked for: the remote is at fault.
type Invalid struct {
	Part  chain.Part
	Block string // "block 17", or what is known of it
	Err   error  // the field, what it is and what it must be
}

func (e *Invalid) Error() string { return fmt.Sprintf("%s of %s: %v", e.Part, e.Block, e.Err) }
func (e *Invalid) Unwrap() error { return e.Err }

func invalid(p chain.Part, block string, err error) error { return &Invalid{p, block, err} }

var errClosed = errors.New("the download was closed")

// Next returns what to ask for, or nil if there is nothing at the moment: all is being asked for,
// an epoch is to be written, or the download is done. A request for headers is never out beside another.
// An error ends the download, and each later call has it.
func (s *Sync) Next() (*Request, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failed != nil {
		return nil, s.failed
	}
	if err := s.walk(); err != nil {
		return nil, err
	}
	if r := s.nextHeaders(); r != nil {
		return r, nil
	}
	if err := s.startWork(); err != nil {
		return nil, s.fail(err)
	}
	for _, ep := range s.working() {
		for _, p := range []chain.Part{chain.Body, chain.Receipts} {
			r, err := s.nextParts(ep, p)
			if err != nil {
				return nil, s.fail(err)
			}
			if r != nil {
				return r, nil
			}
		}
	}
	return nil, nil
}

func (s *Sync) nextHeaders() *Request {
	c := &s.cursor
	if c.done || c.flying || c.known && s.held() {
		return nil
	}
	c.flying = true
	r := &Request{Part: chain.Header, Origin: c.want, Amount: maxHeaders}
	if !c.known {
		return r
	}
	low := max(s.floor, 1) // the genesis block is known
	for i := range s.files {
		if last := s.files[i].last; last < c.number {
			low = max(low, last+1)
		}
	}
	if c.merged && !s.cfg.HeadersOnly { // below its epoch, headers may have to wait
		low = max(low, epochOf(c.number)*history.EpochSize)
	}
	r.Amount = int(min(maxHeaders, c.number-low+1))
	return r
}

// Add takes the answer to a request: encoded headers, bodies, or each block's receipts in the form of
// eth/69, in the order of the request. Blocks may be left out, and none at all is no error; what is
// missing is asked for again. taken is how many items were of use. An *Invalid error says that an item
// is wrong: what came before it is kept. Any other error ends the download.
func (s *Sync) Add(r *Request, items [][]byte) (taken int, err error) {
	if r.Part != chain.Header {
		return s.addParts(r, items)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.end(r) {
		return 0, s.failed
	}
	if len(items) > r.Amount {
		return 0, invalid(r.Part, fmt.Sprintf("%v and its ancestors", r.Origin), fmt.Errorf("%d items, want at most %d", len(items), r.Amount))
	}
	return s.addHeaders(r, items)
}

// Abandon ends a request without an answer: what it asked for is asked for again.
func (s *Sync) Abandon(r *Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.end(r)
}

// end notes that a request is no longer out. It returns false if that is known, or the download has
// ended.
func (s *Sync) end(r *Request) bool {
	if r.ended {
		return false
	}
	r.ended = true
	if r.Part == chain.Header {
		s.cursor.flying = false
	} else {
		r.epoch.work.land(r)
	}
	return s.failed == nil
}

// addParts matches items with the blocks that were asked for. An item is that of the first block, after
// the one before, whose header has its root: a peer may leave out a block that it does not have.
func (s *Sync) addParts(r *Request, items [][]byte) (taken int, err error) {
	matched := make([][]byte, len(r.Hashes))
	next := 0
	for _, item := range items {
		at, err := match(r, next, item)
		if err != nil {
			taken, failed := s.store(r, matched)
			if failed != nil {
				err = failed
			}
			return taken, err
		}
		matched[at] = item
		next = at + 1
	}
	return s.store(r, matched)
}

// match returns which of the blocks from next on has an item.
func match(r *Request, next int, item []byte) (int, error) {
	if next == len(r.headers) {
		return 0, invalid(r.Part, "a block that was not asked for", fmt.Errorf("more than the %d items asked for, or out of order", len(r.headers)))
	}
	check, err := history.Checker(r.Part, item)
	if err != nil {
		return 0, invalid(r.Part, "block "+r.headers[next].Number.String(), err)
	}
	var first error
	for i := next; i < len(r.headers); i++ {
		err := check(r.headers[i])
		if err == nil {
			return i, nil
		}
		if first == nil {
			first = err
		}
	}
	return 0, invalid(r.Part, "block "+r.headers[next].Number.String(), first)
}

// store writes the items to the journal.
func (s *Sync) store(r *Request, matched [][]byte) (taken int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.end(r) {
		return 0, s.failed
	}
	j, err := s.journal(r.epoch.number)
	if err != nil {
		return 0, s.fail(err)
	}
	for i, item := range matched {
		n := r.headers[i].Number.Uint64()
		if item == nil || !r.epoch.work.needs(r.Part, n) {
			continue
		}
		if err := j.add(r.Part, n, r.Hashes[i], item); err != nil {
			return taken, s.fail(err)
		}
		r.epoch.work.got(r.Part, n)
		taken++
	}
	return taken, nil
}

package backfill

import (
	"errors"

	"github.com/troupe-p2p/troupe/protocols/eth/chain"
	"github.com/troupe-p2p/troupe/protocols/eth/history"
	"github.com/troupe-p2p/troupe/protocols/eth/serve"
	"github.com/troupe-p2p/troupe/protocols/eth/verify"
)

const (
	// maxHeaders and maxParts are how many items a request asks for. Peers answer with fewer where
	// an answer would be too large.
	maxHeaders = 192
	maxParts   = 64
)

// Request is what peers are to be asked for. It is out until End.
type Request struct {
	// Part is Header, Body or Receipts.
	Part chain.Part
	// Query is what is wanted of headers: that of a hash, and its ancestors down. Number is that of the
	// first, if it is known.
	Query  serve.HeadersQuery
	Number uint64
	// Blocks are the blocks whose bodies or receipts are wanted, by ascending numbers.
	Blocks []verify.Header

	epoch *epoch
	ended bool
}

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
	r := &Request{Part: chain.Header, Query: serve.HeadersQuery{Origin: serve.Origin{Hash: c.want}, Amount: maxHeaders, Reverse: true}}
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
	r.Number, r.Query.Amount = c.number, min(maxHeaders, c.number-low+1)
	return r
}

// PutHeaders takes headers that a request has asked for, some or all, as package verify has checked
// them for its Query. taken is how many were of use: those that the Sync has already, or does not ask for
// any more, are not. An error ends the download.
func (s *Sync) PutHeaders(r *Request, headers []verify.Header) (taken int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failed != nil {
		return 0, s.failed
	}
	return s.addHeaders(r, headers)
}

// PutParts takes bodies or receipts that a request has asked for, some or all, in any order. Those that
// are none are left alone. It may be called several times for a request, and also after End: taken is how
// many parts were missing before. An error ends the download.
func (s *Sync) PutParts(r *Request, found []verify.Part) (taken int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failed != nil {
		return 0, s.failed
	}
	for _, part := range found {
		if part.None() || part.Kind() != r.Part {
			continue
		}
		h := part.Header()
		if !r.epoch.work.needs(r.Part, h.Number) {
			continue
		}
		j, err := s.journal(r.epoch.number)
		if err != nil {
			return taken, s.fail(err)
		}
		if j.slot(h.Number).hash != h.Hash {
			continue
		}
		if err := j.add(r.Part, h.Number, h.Hash, part.Encoded()); err != nil {
			return taken, s.fail(err)
		}
		r.epoch.work.got(r.Part, h.Number)
		taken++
	}
	return taken, nil
}

// End ends a request. What it asked for and was not put is asked for again.
func (s *Sync) End(r *Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.ended {
		return
	}
	r.ended = true
	if r.Part == chain.Header {
		s.cursor.flying = false
	} else {
		r.epoch.work.land(r)
	}
}

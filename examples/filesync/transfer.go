package main

import (
	"errors"
	"fmt"

	"github.com/troupe-p2p/troupe/protocols"
)

// errGone means that the remote answered without the file.
var errGone = errors.New("fetch file: the remote does not have it")

// transfer is the state of fetching a file. It is in the link's State, so it outlives the actor.
// The received bytes are in the part file, so they outlive the link and the program.
type transfer struct {
	inFlight []uint64 // request IDs, oldest first
	have     uint64   // bytes in the part file
	asked    uint64   // bytes requested so far, from the beginning of the file
	total    uint64   // size of the file; 0 if it is not known yet
}

// resume requests the file from the end of the part file on. It cancels the outstanding requests:
// a crash loses the answer that was being handled, and requesting all of them again is simpler than
// finding out which one that was.
func (t *transfer) resume(s *syncer) error {
	for _, id := range t.inFlight {
		s.link.Cancel(id)
	}
	have, err := s.folder.arrived()
	if err != nil {
		return err
	}
	*t = transfer{have: have, asked: have}
	return t.fill(s)
}

// fill sends requests until the window is full. The first answer has the size of the file, so
// until then there is one request.
func (t *transfer) fill(s *syncer) error {
	for len(t.inFlight) < window && (t.asked < t.total || len(t.inFlight) == 0) {
		id, err := s.link.Ask(&Fetch{Name: s.folder.want, Offset: t.asked})
		if err != nil {
			return err
		}
		t.inFlight = append(t.inFlight, id)
		t.asked += chunkSize
	}
	return nil
}

// take appends the data of an answer to the part file. An error ends the transfer.
func (t *transfer) take(s *syncer, c *Chunk) error {
	if len(t.inFlight) == 0 || t.inFlight[0] != c.ID {
		return fmt.Errorf("%w: answer %d is out of order", protocols.DiscProtocolError, c.ID)
	}
	t.inFlight = t.inFlight[1:]
	if c.Err != "" {
		return errGone
	}
	if t.total > 0 && c.Total != t.total || c.Total < t.have {
		return fmt.Errorf("%w: the file has %d bytes now and had %d before", protocols.DiscProtocolError, c.Total, max(t.total, t.have))
	}
	t.total = c.Total
	if want := min(chunkSize, t.total-t.have); uint64(len(c.Data)) != want {
		return fmt.Errorf("%w: got %d bytes at %d of %d, want %d", protocols.DiscProtocolError, len(c.Data), t.have, t.total, want)
	}
	if err := s.folder.append(c.Data); err != nil {
		return err
	}
	t.have += uint64(len(c.Data))
	if t.have == t.total {
		return s.folder.complete()
	}
	return t.fill(s)
}

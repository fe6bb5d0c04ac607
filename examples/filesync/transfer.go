package main

import (
	"errors"
	"fmt"

	"github.com/troupe-p2p/troupe/protocols"
)

// errGone is what a remote without the file says.
var errGone = errors.New("the remote has no such file")

// transfer is a file on its way to this node. It is in the link's State, so that it outlives
// the actor; what has arrived is in the part file, and so outlives the link and the program.
type transfer struct {
	inFlight []uint64 // request IDs, oldest first
	have     uint64   // bytes in the part file
	asked    uint64   // bytes that were asked for, from the file's beginning
	total    uint64   // zero: not known yet
}

// resume begins where the part file ends. What was under way is forgotten: the answer that
// was being handled in a crash is lost, and asking again is simpler than finding out which.
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

// fill asks for more, as much as the window has room for. The first answer tells how much
// there is.
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

// take appends what has come, and says what ends the transfer.
func (t *transfer) take(s *syncer, c *Chunk) error {
	if len(t.inFlight) == 0 || t.inFlight[0] != c.ID {
		return fmt.Errorf("%w: answer %d is out of its order", protocols.DiscProtocolError, c.ID)
	}
	t.inFlight = t.inFlight[1:]
	if c.Err != "" {
		return errGone
	}
	if t.total > 0 && c.Total != t.total || c.Total < t.have {
		return fmt.Errorf("%w: the file has %d bytes now, and had %d", protocols.DiscProtocolError, c.Total, max(t.total, t.have))
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

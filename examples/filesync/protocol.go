package main

import (
	"errors"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/troupe-p2p/troupe/protocols"
)

const (
	chunkSize = 64 << 10
	maxName   = 1024
	// window is the maximum number of outstanding requests: enough to fill the connection, and
	// few enough to bound the memory for answers if the disk of this node is slow.
	window = 8
)

// Fetch asks for a piece of a file. Answers have the order of the requests.
type Fetch struct {
	ID     uint64
	Name   string // a valid name for io/fs: slashes, and no way out of the directory
	Offset uint64
}

// Chunk answers a Fetch with the bytes of the file from the offset on, at most chunkSize.
type Chunk struct {
	ID    uint64
	Total uint64 // the size of the file
	Data  []byte
	Err   string // why there is no data; empty if there is
}

// spec describes sync/1 for this folder.
func (f *folder) spec() protocols.Spec {
	return protocols.Spec{
		Name: "sync",
		Versions: []protocols.Version{{Number: 1, Length: 2, Messages: []protocols.Message{
			protocols.Type[Fetch](protocols.MaxSize(maxName + 32)),
			protocols.Type[Chunk](protocols.Answers[Fetch](), protocols.MaxSize(chunkSize+maxName)),
		}}},
		New: func() actor.Actor { return &syncer{folder: f} },
	}
}

// syncer is the actor of one link. A crash loses no state: the data are in the part file, and the
// link's State has the rest.
type syncer struct {
	folder *folder
	link   *protocols.Link
}

func (s *syncer) Receive(ctx actor.Context) {
	switch msg := ctx.Message().(type) {
	case *protocols.LinkUp: // the first message, and again after a crash
		s.link = msg.Link
		if s.folder.claim(s.link) {
			s.end(s.transfer().resume(s))
		}
	case *Fetch:
		s.serve(msg)
	case *Chunk:
		s.end(s.transfer().take(s, msg))
	case *protocols.AskFailed: // the request timed out, or the link ended
		if !errors.Is(msg.Err, protocols.ErrLinkDown) {
			s.end(s.transfer().resume(s))
		}
	case *protocols.LinkDown:
		s.folder.release(s.link)
	}
}

func (s *syncer) transfer() *transfer { return protocols.State[transfer](s.link) }

// end ends the transfer and the link if err is an error. The loss of the link does not count as
// one, because the next link continues the transfer.
func (s *syncer) end(err error) {
	if err == nil || errors.Is(err, protocols.ErrLinkDown) {
		return
	}
	s.folder.finish(err)
	reason := protocols.DiscRequested // unless err has the reason that the remote broke the protocol
	errors.As(err, &reason)
	s.link.DisconnectWithError(reason, err)
}

// serve answers a request. If the remote does not read, the kit stops delivering its requests long
// before Send fails.
func (s *syncer) serve(q *Fetch) {
	answer := &Chunk{ID: q.ID}
	var err error
	if answer.Data, answer.Total, err = s.folder.read(q.Name, q.Offset); err != nil {
		answer.Err = "not available" // the remote does not learn more about the directory
	}
	if err := s.link.Send(answer); err != nil {
		s.link.DisconnectWithError(protocols.DiscRequested, err)
	}
}

package main

import (
	"errors"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/troupe-p2p/troupe/protocols"
)

const (
	chunkSize = 64 << 10
	maxName   = 1024
	// window is how many requests are under way at once: enough to fill the connection,
	// few enough that a slow disk at this end holds little in memory.
	window = 8
)

// Fetch asks for a piece of a file. Requests are answered in their order.
type Fetch struct {
	ID     uint64
	Name   string // as io/fs has it: slashes, and never out of the directory
	Offset uint64
}

// Chunk answers with what the file has from the offset on, at most chunkSize bytes.
type Chunk struct {
	ID    uint64
	Total uint64 // the size of the file
	Data  []byte
	Err   string // why there is nothing; empty: there is
}

// spec describes sync/1 with a folder at its end.
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

// syncer is the actor of one link. It has nothing that a crash would lose: what it fetches is
// in the part file, and the link remembers the rest.
type syncer struct {
	folder *folder
	link   *protocols.Link
}

func (s *syncer) Receive(ctx actor.Context) {
	switch msg := ctx.Message().(type) {
	case *protocols.LinkUp: // first, and again after a crash
		s.link = msg.Link
		if s.folder.claim(s.link) {
			s.end(s.transfer().resume(s))
		}
	case *Fetch:
		s.serve(msg)
	case *Chunk:
		s.end(s.transfer().take(s, msg))
	case *protocols.AskFailed: // too slow, or the link has ended
		if !errors.Is(msg.Err, protocols.ErrLinkDown) {
			s.end(s.transfer().resume(s))
		}
	case *protocols.LinkDown:
		s.folder.release(s.link)
	}
}

func (s *syncer) transfer() *transfer { return protocols.State[transfer](s.link) }

// end ends the transfer, and the link with it, when there is an error. The loss of the link
// is none: the next one goes on.
func (s *syncer) end(err error) {
	if err == nil || errors.Is(err, protocols.ErrLinkDown) {
		return
	}
	s.folder.finish(err)
	reason := protocols.DiscRequested // unless the error says that the remote broke the rules
	errors.As(err, &reason)
	s.link.DisconnectWithError(reason, err)
}

// serve answers a request. Where the remote does not read, the kit stops feeding it the
// remote's requests long before Send is refused.
func (s *syncer) serve(q *Fetch) {
	answer := &Chunk{ID: q.ID}
	var err error
	if answer.Data, answer.Total, err = s.folder.read(q.Name, q.Offset); err != nil {
		answer.Err = "can't be had" // the rest is none of the remote's business
	}
	if err := s.link.Send(answer); err != nil {
		s.link.DisconnectWithError(protocols.DiscRequested, err)
	}
}

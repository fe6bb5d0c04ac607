package protocols

import (
	"bytes"
	"context"
	"sync"
)

// readAhead is how much a [ReadWriter] takes from its host before it is read, in bytes:
// enough to read without waiting for an actor's turn each time.
const readAhead = 64 << 10

// ReadWriter is a link as code sees it that was made with [FromRun]. Its methods are
// safe from any goroutine, but not for actors: they wait.
type ReadWriter struct {
	link *Link

	mu      sync.Mutex
	queue   []readable
	bytes   int
	held    bool          // the host waits until what is queued is read
	arrived chan struct{} // has one element while queue is not empty
	room    chan struct{} // closes when the outbox has room again; then it is replaced
}

type readable struct {
	msg  any
	size int
}

func newReadWriter(l *Link) *ReadWriter {
	return &ReadWriter{link: l.Shared(), arrived: make(chan struct{}, 1), room: make(chan struct{})}
}

// Link is the shared handle of the link that the messages go over. [Call] on it asks and waits; meanwhile what has
// come before the answer waits to be read, up to 64 KiB of it.
func (rw *ReadWriter) Link() *Link { return rw.link }

// Go runs f in a goroutine whose panic is the protocol's: it ends the link and not the
// process.
func (rw *ReadWriter) Go(f func()) { rw.link.host.Go(f) }

// Read waits for the next message: a pointer to one of the version's types, or a
// *[RawMessage], which the caller may keep. A remote that sends more than is read is
// held back. When the link has ended and all that came before is read, the error is
// its *[Cause].
func (rw *ReadWriter) Read() (any, error) {
	for {
		if msg, ok := rw.take(); ok {
			return msg, nil
		}
		ended := rw.link.Context()
		select {
		case <-rw.arrived:
		case <-ended.Done():
			if msg, ok := rw.take(); ok {
				return msg, nil
			}
			return nil, context.Cause(ended)
		}
	}
}

// Write sends a message as [Link.Send] does, but waits while the outbox is full. Its
// errors are the other ones of Send.
func (rw *ReadWriter) Write(msg any) error {
	for {
		if rw.link.Context().Err() != nil {
			return ErrLinkDown
		}
		room := rw.awaitRoom()
		err := rw.link.Send(msg)
		if err != ErrOutboxFull {
			return err
		}
		select {
		case <-room:
		case <-rw.link.Context().Done():
			return ErrLinkDown
		}
	}
}

// awaitRoom must come before the Send whose refusal it is about: the word that there
// is room may come before that returns.
func (rw *ReadWriter) awaitRoom() <-chan struct{} {
	rw.mu.Lock()
	defer rw.mu.Unlock()
	return rw.room
}

func (rw *ReadWriter) drained() {
	rw.mu.Lock()
	defer rw.mu.Unlock()
	close(rw.room)
	rw.room = make(chan struct{})
}

// put queues what came. True means that nothing more is wanted for now.
func (rw *ReadWriter) put(msg any, size int) (full bool) {
	rw.mu.Lock()
	defer rw.mu.Unlock()
	rw.queue = append(rw.queue, readable{msg, size + readOverhead})
	rw.bytes += size + readOverhead
	rw.signal()
	if rw.bytes < readAhead || rw.held {
		return false
	}
	rw.held = true
	return true
}

// readOverhead is what a message costs beyond its payload, so that empty ones are
// bounded as well.
const readOverhead = 64

// take takes the first message, and lets the host go on when half is read.
func (rw *ReadWriter) take() (any, bool) {
	rw.mu.Lock()
	defer rw.mu.Unlock()
	if len(rw.queue) == 0 {
		rw.queue = nil // an idle link keeps no memory
		return nil, false
	}
	first := rw.queue[0]
	rw.queue[0] = readable{}
	rw.queue = rw.queue[1:]
	rw.bytes -= first.size
	if len(rw.queue) > 0 {
		rw.signal() // for another reader
	}
	if rw.held && rw.bytes <= readAhead/2 {
		rw.held = false
		rw.link.host.Tell(&readOn{})
	}
	return first.msg, true
}

func (rw *ReadWriter) signal() {
	select {
	case rw.arrived <- struct{}{}:
	default:
	}
}

// kept is a message that outlives Receive.
func kept(msg any) any {
	if raw, ok := msg.(*RawMessage); ok {
		return &RawMessage{Code: raw.Code, Payload: bytes.Clone(raw.Payload), ReceivedAt: raw.ReceivedAt}
	}
	return msg
}

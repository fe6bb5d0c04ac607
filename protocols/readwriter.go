package protocols

import (
	"bytes"
	"context"
	"sync"
)

// readAhead is how many bytes a [ReadWriter] takes from its host before they are read: enough to
// read without waiting for an actor's turn each time.
const readAhead = 64 << 10

// ReadWriter is a link for code that was made with [FromRun]. Its methods are safe from any
// goroutine, but not for actors, because they block.
type ReadWriter struct {
	link *Link

	mu      sync.Mutex
	queue   []readable
	bytes   int
	held    bool          // the host delivers nothing until the queue is read
	arrived chan struct{} // has one element while queue is not empty
	room    chan struct{} // closes when the outbox has room again; it is replaced then

	down chan struct{} // closed when the link has ended and no message follows
}

type readable struct {
	msg  any
	size int
}

func newReadWriter(l *Link) *ReadWriter {
	return &ReadWriter{link: l.Shared(), arrived: make(chan struct{}, 1), room: make(chan struct{}), down: make(chan struct{})}
}

// Link returns the shared handle of the link. [Call] on it sends a request and waits; meanwhile
// earlier messages wait to be read, up to 64 KiB of them.
func (rw *ReadWriter) Link() *Link { return rw.link }

// Go runs f in a goroutine whose panic ends the link and not the process.
func (rw *ReadWriter) Go(f func()) { rw.link.host.Go(f) }

// Read waits for the next message and returns it: a pointer to one of the version's types, or a
// *[RawMessage]; the caller may keep it. A remote that sends more than is read is held back. When
// the link has ended and all earlier messages are read, the error is the link's *[Cause]. Of what waits
// unread when the link ends, messages beyond some 64 KiB are lost.
func (rw *ReadWriter) Read() (any, error) {
	for {
		if msg, ok := rw.take(); ok {
			return msg, nil
		}
		select {
		case <-rw.arrived:
		case <-rw.down:
			if msg, ok := rw.take(); ok {
				return msg, nil
			}
			return nil, context.Cause(rw.link.Context())
		}
	}
}

// Write sends a message as [Link.Send] does, but waits while the outbox is full. Its errors are
// the other errors of Send.
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

// awaitRoom must be called before the Send that may be refused, because Drained may arrive before
// Send returns.
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

// put queues a message. full is true when the host must pause.
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

// readOverhead is what a message costs beyond its payload, so that empty messages are bounded as
// well.
const readOverhead = 64

// take removes the first message, and resumes the host when half of the queue is read.
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

// kept returns a form of the message that stays valid after Receive.
func kept(msg any) any {
	if raw, ok := msg.(*RawMessage); ok {
		return &RawMessage{Code: raw.Code, Payload: bytes.Clone(raw.Payload), ReceivedAt: raw.ReceivedAt}
	}
	return msg
}

package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"
)

// carrier is a connection that reads and writes whole texts.
type carrier interface {
	// read returns the next text. The error is a *problem if the connection ends for one.
	read() (json.RawMessage, error)
	write(text []byte) error
	// end says in the transport's own way why the connection ends, after the answer, and reads on
	// for a moment.
	end(why *problem)
	SetWriteDeadline(time.Time) error
	Close() error
	RemoteAddr() net.Addr
}

// stream adapts a carrier to package rpc (rpc.Conn). Package rpc starts a goroutine for each
// text that it reads, even if the client doesn't read its answers. So a stream passes on no
// text while maxCalls texts are unanswered.
type stream struct {
	carrier
	ctx    context.Context // ends with the stream
	cancel context.CancelFunc
	bytes  *semaphore.Weighted // shared by all streams
	within time.Duration       // timeout of each write

	unread []byte        // rest of the current text
	calls  chan struct{} // has one entry for each unanswered text
	rested func()        // called when the client owes the next text

	mu            sync.Mutex
	owed          []int64 // sizes of the unanswered texts, in bytes
	subscriptions int
	since         time.Time // when the client began to owe the next text

	writing sync.Mutex
	once    sync.Once
}

func newStream(c carrier, bytes *semaphore.Weighted, within time.Duration) *stream {
	s := &stream{
		carrier: c, bytes: bytes, within: within, calls: make(chan struct{}, maxCalls),
		rested: func() {}, since: time.Now(),
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s
}

// RemoteAddr implements rpc.ConnRemoteAddr. The remote end of a unix socket has no name.
func (s *stream) RemoteAddr() string { return s.carrier.RemoteAddr().String() }

// Read reads the client's texts, one after the other, without those that want no answer.
func (s *stream) Read(p []byte) (int, error) {
	for len(s.unread) == 0 {
		if err := s.next(); err != nil {
			return 0, err
		}
	}
	n := copy(p, s.unread)
	s.unread = s.unread[n:]
	return n, nil
}

// rests implements guest. A client with a subscription waits for notifications.
func (s *stream) rests() (since time.Time, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.since, len(s.owed) == 0 && s.subscriptions == 0
}

// next waits for room for another call and reads one text. It skips a text that wants no
// answer, and answers one that package rpc must not see.
func (s *stream) next() error {
	select {
	case s.calls <- struct{}{}:
	case <-s.ctx.Done():
		return io.EOF
	}
	text, err := s.read()
	if err == nil {
		err = s.bytes.Acquire(s.ctx, int64(len(text)))
	}
	if err != nil {
		if why := new(problem); errors.As(err, &why) {
			s.refuse(why)
			s.end(why)
		}
		return err
	}
	s.owe(int64(len(text)))
	a, p := judge(text)
	switch {
	case p != nil:
		s.refuse(p)
	case a.text == nil:
		s.answered()
	case !s.subscribe(a.subscriptions):
		s.refuse(tooManySubscriptions(a.id))
	default:
		s.unread = append(a.text, '\n') // marks the end of a text that is a number
	}
	return nil
}

// subscribe counts n more subscriptions. It returns false if they are too many.
func (s *stream) subscribe(n int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.subscriptions+n > maxSubscriptions {
		return false
	}
	s.subscriptions += n
	return true
}

// owe records the size of a text that is not yet answered.
func (s *stream) owe(n int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ctx.Err() != nil { // Close has released the others already, or waits for s.mu
		s.bytes.Release(n)
		return
	}
	s.owed = append(s.owed, n)
}

// SetWriteDeadline implements rpc.Conn. Write sets its own.
func (s *stream) SetWriteDeadline(time.Time) error { return nil }

// notification is the beginning of a text that answers no call, as package rpc writes it.
var notification = []byte(`{"jsonrpc":"2.0","method":`)

// Write sends one text. Package rpc writes each text with one call.
func (s *stream) Write(text []byte) (int, error) {
	s.writing.Lock()
	_ = s.carrier.SetWriteDeadline(time.Now().Add(s.within)) // if it fails, write fails too
	err := s.write(text)
	s.writing.Unlock()
	if err != nil {
		_ = s.Close() // a part of the text may have been sent
		return 0, err
	}
	if !bytes.HasPrefix(text, notification) {
		s.answered()
	}
	return len(text), nil
}

// refuse answers a text in place of package rpc.
func (s *stream) refuse(p *problem) {
	if _, err := s.Write(append(p.answer(), '\n')); err != nil {
		_ = s.Close() // usually Write has closed it already
	}
}

// answered makes room for another call.
func (s *stream) answered() {
	s.mu.Lock()
	if len(s.owed) > 0 {
		s.bytes.Release(s.owed[0])
		s.owed = s.owed[1:]
	}
	select {
	case <-s.calls:
	default:
	}
	none := len(s.owed) == 0
	if none {
		s.since = time.Now()
	}
	s.mu.Unlock()
	if none {
		s.rested()
	}
}

// Close ends the connection. It may be called again.
func (s *stream) Close() (err error) {
	s.once.Do(func() {
		s.cancel()
		err = s.carrier.Close()
		s.mu.Lock()
		defer s.mu.Unlock()
		for _, n := range s.owed {
			s.bytes.Release(n)
		}
		s.owed = nil
	})
	return err
}

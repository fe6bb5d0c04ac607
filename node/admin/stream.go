package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"
)

var errTooLarge = fmt.Errorf("text of more than %d bytes", maxText)

// carrier is a connection that reads and writes whole JSON texts.
type carrier interface {
	read() (json.RawMessage, error) // the next text
	write(text []byte) error
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
// answer, because package rpc would run it in a goroutine that the stream can't count.
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
		if errors.Is(err, errTooLarge) || errors.Is(err, errSlow) {
			s.refuse(nil, err.Error())
		}
		return err
	}
	s.owe(int64(len(text)))
	asked := inspect(text)
	switch {
	case !asked.answer:
		s.answered()
	case !s.subscribe(asked.subscriptions):
		s.refuse(asked.id, fmt.Sprintf("too many subscriptions: a connection may make %d", maxSubscriptions))
	default:
		s.unread = append(text, '\n') // marks the end of a text that is a number
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

// refuse answers a call in place of package rpc.
func (s *stream) refuse(id json.RawMessage, why string) {
	if id == nil {
		id = json.RawMessage("null")
	}
	type problem struct {
		Code    int    `json:"code"`
		Message string `json:"message"`
	}
	text, err := json.Marshal(struct {
		Version string          `json:"jsonrpc"`
		ID      json.RawMessage `json:"id"`
		Error   problem         `json:"error"`
	}{"2.0", id, problem{-32600, why}})
	if err == nil {
		_, err = s.Write(append(text, '\n'))
	}
	if err != nil {
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

// asked is what a text requests.
type asked struct {
	answer        bool
	subscriptions int
	id            json.RawMessage // of the first call
}

// inspect returns what a text requests. A text that it can't parse wants an answer: package
// rpc answers it with an error.
func inspect(text json.RawMessage) (a asked) {
	type call struct {
		ID     json.RawMessage `json:"id"`
		Method json.RawMessage `json:"method"`
		Result json.RawMessage `json:"result"`
		Error  json.RawMessage `json:"error"`
	}
	var batch []call
	if json.Unmarshal(text, &batch) != nil {
		batch = make([]call, 1)
		if json.Unmarshal(text, &batch[0]) != nil {
			return asked{answer: true}
		}
	}
	for _, c := range batch {
		nameless := len(c.ID) == 0 || string(c.ID) == "null"
		if c.Result != nil || c.Error != nil || nameless && c.Method != nil {
			continue // an unrequested answer, or a call that wants no answer
		}
		a.answer = true
		if a.id == nil && !nameless {
			a.id = c.ID
		}
		var method string
		if json.Unmarshal(c.Method, &method) == nil && strings.HasSuffix(method, "_subscribe") {
			a.subscriptions++
		}
	}
	a.answer = a.answer || len(batch) == 0
	return a
}

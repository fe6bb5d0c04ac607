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

	"github.com/gorilla/websocket"
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

	rest          []byte // unread rest of the current text
	subscriptions int
	calls         chan struct{} // has one entry for each unanswered text

	mu   sync.Mutex
	owed []int64 // sizes of the unanswered texts, in bytes

	writing sync.Mutex
	once    sync.Once
}

func newStream(c carrier, bytes *semaphore.Weighted, within time.Duration) *stream {
	s := &stream{carrier: c, bytes: bytes, within: within, calls: make(chan struct{}, maxCalls)}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s
}

// RemoteAddr implements rpc.ConnRemoteAddr. The remote end of a unix socket has no name.
func (s *stream) RemoteAddr() string { return s.carrier.RemoteAddr().String() }

// Read reads the client's texts, one after the other, without those that want no answer.
func (s *stream) Read(p []byte) (int, error) {
	for len(s.rest) == 0 {
		if err := s.next(); err != nil {
			return 0, err
		}
	}
	n := copy(p, s.rest)
	s.rest = s.rest[n:]
	return n, nil
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
		if errors.Is(err, errTooLarge) {
			s.refuse(nil, err.Error())
		}
		return err
	}
	s.owe(int64(len(text)))
	asked := inspect(text)
	switch {
	case !asked.answer:
		s.answered()
	case s.subscriptions+asked.subscriptions > maxSubscriptions:
		s.refuse(asked.id, fmt.Sprintf("too many subscriptions: a connection may make %d", maxSubscriptions))
	default:
		s.subscriptions += asked.subscriptions
		s.rest = append(text, '\n') // marks the end of a text that is a number
	}
	return nil
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
	defer s.mu.Unlock()
	if len(s.owed) > 0 {
		s.bytes.Release(s.owed[0])
		s.owed = s.owed[1:]
	}
	select {
	case <-s.calls:
	default:
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

// line is the carrier of a unix socket, on which texts follow each other.
type line struct {
	net.Conn
	in   *json.Decoder
	left *io.LimitedReader // limits the bytes read for one text
}

func newLine(conn net.Conn) *line {
	l := &line{Conn: conn, left: &io.LimitedReader{R: conn}}
	l.in = json.NewDecoder(l.left)
	return l
}

func (l *line) read() (text json.RawMessage, err error) {
	l.left.N = maxText
	err = l.in.Decode(&text)
	if err != nil && l.left.N <= 0 {
		err = errTooLarge
	}
	return text, err
}

func (l *line) write(text []byte) error {
	_, err := l.Conn.Write(text)
	return err
}

// frames is the carrier of a WebSocket; each message is a text.
type frames struct{ *websocket.Conn }

func newFrames(conn *websocket.Conn) *frames {
	conn.SetReadLimit(maxText)
	return &frames{conn}
}

func (f *frames) read() (text json.RawMessage, err error) {
	_, message, err := f.ReadMessage()
	switch {
	case errors.Is(err, websocket.ErrReadLimit):
		return nil, errTooLarge
	case err != nil:
		return nil, err
	}
	err = json.Unmarshal(message, &text) // fails if the message is not valid JSON
	return text, err
}

func (f *frames) write(text []byte) error { return f.WriteMessage(websocket.TextMessage, text) }

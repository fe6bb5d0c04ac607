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

var errTooLarge = fmt.Errorf("a text of more than %d bytes", maxText)

// carrier is a connection on which whole JSON texts come and go.
type carrier interface {
	read() (json.RawMessage, error) // the next text
	write(text []byte) error
	SetWriteDeadline(time.Time) error
	Close() error
	RemoteAddr() net.Addr
}

// stream is a connection as package rpc reads and writes it (rpc.Conn). That starts a
// goroutine for each text that it reads, whether or not the answers are taken; so a stream
// gives it no more than maxCalls that aren't answered yet.
type stream struct {
	carrier
	ctx    context.Context // ends with the stream
	cancel context.CancelFunc
	bytes  *semaphore.Weighted // shared by all streams
	within time.Duration       // that each text that goes out must be taken

	rest          []byte // of the text that is being read
	subscriptions int
	calls         chan struct{} // has an entry for each text that waits for its answer

	mu   sync.Mutex
	owed []int64 // their sizes, in bytes

	writing sync.Mutex
	once    sync.Once
}

func newStream(c carrier, bytes *semaphore.Weighted, within time.Duration) *stream {
	s := &stream{carrier: c, bytes: bytes, within: within, calls: make(chan struct{}, maxCalls)}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s
}

// RemoteAddr implements rpc.ConnRemoteAddr. The end of a unix socket has no name.
func (s *stream) RemoteAddr() string { return s.carrier.RemoteAddr().String() }

// Read gives the texts that wait for an answer, one after the other.
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

// next reads one text, when there is room for another call. What asks for no answer is
// passed over: package rpc would run it in a goroutine that nothing could count.
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
	asked := weigh(text)
	switch {
	case !asked.answer:
		s.answered()
	case s.subscriptions+asked.subscriptions > maxSubscriptions:
		s.refuse(asked.id, fmt.Sprintf("a connection may subscribe %d times", maxSubscriptions))
	default:
		s.subscriptions += asked.subscriptions
		s.rest = append(text, '\n') // it ends a text that is a number
	}
	return nil
}

// owe notes the bytes of a text that waits for its answer.
func (s *stream) owe(n int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ctx.Err() != nil { // Close has been here already, or waits
		s.bytes.Release(n)
		return
	}
	s.owed = append(s.owed, n)
}

// SetWriteDeadline implements rpc.Conn. Write sets its own.
func (s *stream) SetWriteDeadline(time.Time) error { return nil }

// notification is how a text begins that answers no call; package rpc writes it so.
var notification = []byte(`{"jsonrpc":"2.0","method":`)

// Write sends one text: package rpc writes each with one call, one after the other.
func (s *stream) Write(text []byte) (int, error) {
	s.writing.Lock()
	_ = s.carrier.SetWriteDeadline(time.Now().Add(s.within)) // where it fails, write does too
	err := s.write(text)
	s.writing.Unlock()
	if err != nil {
		_ = s.Close() // half a text may be gone
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
		_ = s.Close() // Write has done so, as a rule
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

// Close ends the connection; it may be called again.
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

// asked is what a text asks for.
type asked struct {
	answer        bool
	subscriptions int
	id            json.RawMessage // of the first call
}

// weigh looks at what a text asks for. What it does not understand is left to package rpc,
// which answers with an error.
func weigh(text json.RawMessage) (a asked) {
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
			continue // an answer that nobody asked for, or a call that wants none
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

// line is a unix socket on which texts follow each other.
type line struct {
	net.Conn
	in   *json.Decoder
	left *io.LimitedReader // of what may be read for one text
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

// frames is a WebSocket: each message is a text.
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
	err = json.Unmarshal(message, &text) // finds where it is wrong
	return text, err
}

func (f *frames) write(text []byte) error { return f.WriteMessage(websocket.TextMessage, text) }

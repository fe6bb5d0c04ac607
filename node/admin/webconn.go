package admin

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"os"
	"sync"
	"time"
)

// webConn is a connection of HTTP, or of a WebSocket after the upgrade.
type webConn struct {
	net.Conn
	places *places

	mu     sync.Mutex
	since  time.Time // when the client began to owe the request
	waits  bool      // for a request: its first byte, the rest of its header or of its body
	kept   bool      // waits for the first byte of another request
	stream *stream   // of the WebSocket
}

// rests implements guest.
func (c *webConn) rests() (since time.Time, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stream != nil {
		return c.stream.rests()
	}
	return c.since, c.waits
}

func (c *webConn) wait(waits bool) {
	c.mu.Lock()
	c.waits = waits
	c.mu.Unlock()
	if waits {
		c.places.changes()
	}
}

// follow says that the connection serves a WebSocket from now on.
func (c *webConn) follow(st *stream) {
	c.mu.Lock()
	c.stream = st
	c.mu.Unlock()
	st.rested = c.places.changes
	c.places.changes()
}

// Read limits the time for the rest of a request from its first byte on. net/http does so only
// from the fourth byte on.
func (c *webConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.mu.Lock()
	first := c.kept && n > 0
	if first {
		c.kept = false
	}
	c.mu.Unlock()
	if first && err == nil {
		err = c.SetReadDeadline(time.Now().Add(silence))
	}
	return n, err
}

// Close frees the place.
func (c *webConn) Close() error {
	defer c.places.leave(c)
	return c.Conn.Close()
}

// httpState is the http.Server's ConnState.
func httpState(conn net.Conn, s http.ConnState) {
	c, ok := conn.(*webConn)
	if !ok {
		return
	}
	c.mu.Lock()
	if s == http.StateIdle {
		c.since = time.Now()
	}
	c.kept = s == http.StateIdle
	c.mu.Unlock()
	c.wait(s == http.StateNew || s == http.StateIdle)
}

type connKey struct{}

// withConn is the http.Server's ConnContext.
func withConn(ctx context.Context, conn net.Conn) context.Context {
	return context.WithValue(ctx, connKey{}, conn)
}

// connOf returns the connection of a request, nil if the listener is another one.
func connOf(ctx context.Context) *webConn {
	c, _ := ctx.Value(connKey{}).(*webConn)
	return c
}

// hasText reports whether package rpc would read the body of a request.
func hasText(r *http.Request) bool {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || r.Method == http.MethodPut || r.Method == http.MethodDelete || r.Method == http.MethodOptions {
		return false
	}
	return kind == "application/json" || kind == "application/json-rpc" || kind == "application/jsonrequest"
}

// withText returns a copy of a request with another body. net/http looks at the body of the
// original.
func withText(r *http.Request, text []byte) *http.Request {
	with := *r
	with.Body, with.ContentLength = io.NopCloser(bytes.NewReader(text)), int64(len(text))
	return &with
}

// readText reads the body of a request.
func readText(rw http.ResponseWriter, r *http.Request) ([]byte, *problem) {
	if r.ContentLength > maxText {
		if r.Header.Get("Expect") == "" { // otherwise the client waits for status 100 before it sends
			readRest(rw, r)
		}
		return nil, errTooLarge
	}
	from := r.Body
	if c := connOf(r.Context()); c != nil {
		from = &body{ReadCloser: r.Body, conn: c, by: http.NewResponseController(rw), began: time.Now()}
	}
	text, err := io.ReadAll(io.LimitReader(from, maxText+1))
	switch {
	case len(text) > maxText:
		readRest(rw, r)
		return nil, errTooLarge
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil, errSlow
	case err != nil:
		return nil, &problem{code: codeNotJSON, message: fmt.Sprintf("parse error: reading the body: %v", err)}
	}
	return text, nil
}

// readRest drops what is left of a body, as long as linger lasts. A client that is still sending gets
// the answer then, instead of an error of its own write.
func readRest(rw http.ResponseWriter, r *http.Request) {
	rw.Header().Set("Connection", "close")
	if err := http.NewResponseController(rw).SetReadDeadline(time.Now().Add(linger)); err == nil {
		_, _ = io.Copy(io.Discard, r.Body) // the answer says more than an error
	}
}

// body is the body of a request. Read fails after a silence.
type body struct {
	io.ReadCloser
	conn  *webConn
	by    *http.ResponseController
	began time.Time
}

func (b *body) Read(p []byte) (int, error) {
	b.conn.wait(true)
	defer b.conn.wait(false)
	if err := b.by.SetReadDeadline(textDeadline(b.began, time.Now())); err != nil {
		return 0, err
	}
	n, err := b.ReadCloser.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		return n, err // the deadline stays, so that net/http does not wait for the rest either
	}
	// net/http goes on reading, to notice the client's end while the call is under way.
	if failed := b.by.SetReadDeadline(b.began.Add(textTimeout)); failed != nil {
		err = failed
	}
	return n, err
}

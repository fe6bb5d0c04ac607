package admin

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/gorilla/websocket"
)

// line is the carrier of a unix socket, on which texts follow each other.
type line struct {
	*textConn
	in   *json.Decoder
	left *io.LimitedReader // limits the bytes read for one text
}

func newLine(conn net.Conn) *line {
	l := &line{textConn: &textConn{Conn: conn}}
	l.left = &io.LimitedReader{R: l.textConn}
	l.in = json.NewDecoder(l.left)
	return l
}

func (l *line) read() (text json.RawMessage, err error) {
	l.left.N = maxText
	l.expect(l.ahead())
	err = l.in.Decode(&text)
	syntax := new(json.SyntaxError)
	switch {
	case err != nil && l.left.N <= 0:
		return nil, errTooLarge
	case errors.As(err, &syntax), errors.Is(err, io.ErrUnexpectedEOF):
		if p := l.broken(); p != nil {
			return nil, p
		}
	}
	return text, err
}

// broken returns why the text that the decoder could not read is not valid JSON.
func (l *line) broken() *problem {
	begun, err := io.ReadAll(l.in.Buffered())
	if err != nil {
		return nil // impossible: it is in memory
	}
	return notJSON(begun)
}

// end implements carrier. A socket has no way to say why it is closed.
func (l *line) end(why *problem) {
	if why != errSlow {
		l.readOn()
		_, _ = io.Copy(io.Discard, l.textConn) // ends with the client, or the deadline
	}
}

// ahead reports whether the decoder has read a part of the next text.
func (l *line) ahead() bool {
	var some [64]byte
	for in := l.in.Buffered(); ; {
		n, err := in.Read(some[:])
		if len(withoutSpace(some[:n])) > 0 {
			return true
		}
		if err != nil {
			return false
		}
	}
}

func (l *line) write(text []byte) error {
	_, err := l.Conn.Write(text)
	return err
}

// frames is the carrier of a WebSocket; each message is a text.
type frames struct {
	*websocket.Conn
	in    *textConn
	ahead *bufio.Reader // has the bytes that were read ahead
	amid  bool          // the message has begun
}

// newFrames makes the carrier of a connection that was upgraded by way of h.
func newFrames(conn *websocket.Conn, h *hijacker) *frames {
	f := &frames{Conn: conn, in: h.conn, ahead: h.ahead}
	// A ping between two messages is no message, and ends no message either.
	ping, pong := conn.PingHandler(), conn.PongHandler()
	conn.SetPingHandler(func(data string) error { f.control(); return ping(data) })
	conn.SetPongHandler(func(data string) error { f.control(); return pong(data) })
	return f
}

func (f *frames) control() {
	if !f.amid {
		f.in.expect(f.ahead.Buffered() > 0)
	}
}

func (f *frames) read() (json.RawMessage, error) {
	f.amid = false
	f.in.expect(f.ahead.Buffered() > 0)
	_, in, err := f.NextReader()
	if err != nil {
		return nil, err
	}
	f.amid = true
	text, err := io.ReadAll(io.LimitReader(in, maxText+1))
	if err == nil && len(text) > maxText {
		err = errTooLarge
	}
	return text, err
}

// end implements carrier.
func (f *frames) end(why *problem) {
	code := websocket.ClosePolicyViolation
	if why == errTooLarge {
		code = websocket.CloseMessageTooBig
	}
	// If it fails, the client has gone.
	_ = f.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(code, why.message), time.Now().Add(linger))
	if why == errSlow {
		return
	}
	f.in.readOn()
	for err := error(nil); err == nil; { // until the client's own close frame
		_, _, err = f.NextReader()
	}
}

func (f *frames) write(text []byte) error { return f.WriteMessage(websocket.TextMessage, text) }

// hijacker is the response writer of an upgrade to WebSocket. It keeps what the upgrade makes of
// the connection.
type hijacker struct {
	http.ResponseWriter
	conn  *textConn
	ahead *bufio.Reader // of conn; the WebSocket reads by it
}

// Hijack implements http.Hijacker.
func (h *hijacker) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, buffers, err := http.NewResponseController(h.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	h.conn, h.ahead = &textConn{Conn: conn}, buffers.Reader
	return h.conn, buffers, nil
}

package admin

import (
	"bufio"
	"io"
	"log/slog"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"
)

func TestTextDeadline(t *testing.T) {
	began := time.Unix(1_000, 0)
	for name, tt := range map[string]struct {
		began time.Time
		after time.Duration
		want  time.Time
	}{
		"between two texts": {time.Time{}, 0, time.Time{}},
		"at the beginning":  {began, 0, began.Add(silence)},
		"amid a text":       {began, silence, began.Add(2 * silence)},
		"near the end":      {began, textTimeout - time.Second, began.Add(textTimeout)},
		"past the end":      {began, textTimeout + time.Second, began.Add(textTimeout)},
	} {
		if got := textDeadline(tt.began, began.Add(tt.after)); !got.Equal(tt.want) {
			t.Errorf("%s: %v, want %v", name, got, tt.want)
		}
	}
}

// part is what a client sends at a time after the start.
type part struct {
	at   time.Duration
	text string
}

// drip is a part every nine seconds.
func drip(text string) (parts []part) {
	for i := range text {
		parts = append(parts, part{time.Duration(i) * 9 * time.Second, text[i : i+1]})
	}
	return parts
}

// lasts sends the parts, and returns how long the node then leaves the connection open, at most
// an hour, and what it sent.
func lasts(conn net.Conn, parts []part) (open time.Duration, heard string) {
	begin := time.Now()
	over := make(chan string)
	go func() {
		text, _ := io.ReadAll(conn) // a pipe that was closed is no failure
		over <- string(text)
	}()
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		for _, p := range parts {
			time.Sleep(time.Until(begin.Add(p.at)))
			if _, err := io.WriteString(conn, p.text); err != nil {
				return
			}
		}
	}()
	time.AfterFunc(time.Hour, func() { conn.Close() })
	heard = <-over
	open = time.Since(begin)
	<-sent
	return open, heard
}

const subscribe = `{"jsonrpc":"2.0","id":1,"method":"busy_subscribe","params":["silent"]}`

// On the socket, a text that does not come on costs its client the connection. Between two texts
// it may be silent.
func TestSlowTexts(t *testing.T) {
	for name, tt := range map[string]struct {
		parts []part
		want  time.Duration
		says  string
	}{
		"nothing":                     {nil, time.Hour, ""},
		"space":                       {[]part{{0, " \n"}}, time.Hour, ""},
		"a call":                      {[]part{{0, echo(1) + "\n"}}, time.Hour, "hello"},
		"calls with pauses":           {[]part{{0, echo(1)}, {59 * time.Minute, echo(2)}}, time.Hour, `"id":2`},
		"a subscriber":                {[]part{{0, subscribe}}, time.Hour, "result"},
		"half a call":                 {[]part{{0, echo(1)[:20]}}, silence, errSlow.Error()},
		"half a call, later":          {[]part{{time.Minute, echo(1)[:20]}}, time.Minute + silence, errSlow.Error()},
		"a call and a half":           {[]part{{0, echo(1) + "\n" + echo(2)[:20]}}, silence, errSlow.Error()},
		"half a call of a subscriber": {[]part{{0, subscribe}, {time.Minute, `{`}}, time.Minute + silence, errSlow.Error()},
		"in two halves":               {[]part{{0, echo(1)[:20]}, {9 * time.Second, echo(1)[20:]}}, time.Hour, "hello"},
		"drip":                        {drip(echo(1)), textTimeout, errSlow.Error()},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := connect(t, &busy{})
				open, heard := lasts(c, tt.parts)
				if open != tt.want || !strings.Contains(heard, tt.says) {
					t.Errorf("open for %v, want %v; heard %s", open, tt.want, heard)
				}
				<-c.ended
			})
		})
	}
}

// pipes is a listener for connections within the process.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error   { close(p.closed); return nil }
func (p *pipes) Addr() net.Addr { return &net.TCPAddr{} }

func (p *pipes) dial() net.Conn {
	near, far := net.Pipe()
	p.conns <- near
	return far
}

// overHTTP serves HTTP and WebSocket within a bubble, until the test ends.
func overHTTP(t *testing.T) *pipes {
	t.Helper()
	server, err := NewServer([]API{{Namespace: "busy", Service: &busy{}}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	s, ln := newSession(new(counters)), &pipes{conns: make(chan net.Conn), closed: make(chan struct{})}
	s.some.Store(server)
	s.http = newWeb(s, HTTP{HTTP: true, WebSocket: true}).server(slog.New(slog.DiscardHandler))
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = s.http.Serve(limit(ln, s.counters)) // its end
	}()
	t.Cleanup(func() {
		s.close()
		<-served
	})
	return ln
}

// header is that of a call with a body of 100 bytes.
const header = "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n"

func TestSlowRequests(t *testing.T) {
	call := echo(1) + strings.Repeat(" ", 100-len(echo(1)))
	for name, tt := range map[string]struct {
		parts []part
		want  time.Duration
		says  string
	}{
		"nothing":             {nil, silence, ""},
		"half a header":       {[]part{{0, header[:30]}}, silence, ""},
		"a header by drips":   {drip(header), silence, ""},
		"no body":             {[]part{{0, header}}, silence, "408 Request Timeout"},
		"half a body":         {[]part{{0, header}, {9 * time.Second, call[:50]}}, 9*time.Second + silence, errSlow.Error()},
		"a body by drips":     {append([]part{{0, header}}, drip(call)...), textTimeout, ""},
		"a call":              {[]part{{0, header + call}}, idleTimeout, "hello"},
		"in two halves":       {[]part{{0, header + call[:50]}, {9 * time.Second, call[50:]}}, 9*time.Second + idleTimeout, "hello"},
		"a byte after a call": {[]part{{0, header + call}, {50 * time.Second, "P"}}, 50*time.Second + silence, "hello"},
		"a call after a call": {[]part{{0, header + call}, {50 * time.Second, header + call}}, 50*time.Second + idleTimeout, "hello"},
		"a half after a call": {[]part{{0, header + call}, {50 * time.Second, header + call[:50]}}, 50*time.Second + silence, errSlow.Error()},
		"a call and a byte":   {[]part{{0, header + call + "P"}}, idleTimeout, "hello"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				open, heard := lasts(overHTTP(t).dial(), tt.parts)
				// After an error net/http waits half a second for the client to read it.
				if open < tt.want || open > tt.want+time.Second || !strings.Contains(heard, tt.says) {
					t.Errorf("open for %v, want %v; heard %s", open, tt.want, heard)
				}
			})
		})
	}
}

// frame is a WebSocket frame of a client, not masked by more than zeros.
func frame(first byte, payload string) string {
	return string([]byte{first, 0x80 | byte(len(payload)), 0, 0, 0, 0}) + payload
}

func TestSlowMessages(t *testing.T) {
	const whole, begins, ends, ping = 0x80 | websocket.TextMessage, websocket.TextMessage, 0x80, 0x80 | websocket.PingMessage
	late := "\x03\xf0" + errSlow.Error() // in a close frame, after the code 1008
	var pings, pingsAmid []part
	for i := range 100 {
		pings = append(pings, part{time.Duration(i) * 25 * time.Second, frame(ping, "x")})
	}
	pingsAmid = append([]part{{0, frame(begins, echo(1)[:20])}}, drip(strings.Repeat("p", 10))...)
	for i := range pingsAmid[1:] {
		pingsAmid[i+1].text = frame(ping, "x")
	}
	for name, tt := range map[string]struct {
		parts []part
		want  time.Duration
		says  string
	}{
		"nothing":              {nil, time.Hour, ""},
		"a call":               {[]part{{0, frame(whole, echo(1))}}, time.Hour, "hello"},
		"a subscriber":         {[]part{{0, frame(whole, subscribe)}}, time.Hour, "result"},
		"pings":                {pings, time.Hour, "x"},
		"half a header":        {[]part{{0, frame(whole, echo(1))[:1]}}, silence, late},
		"half a call":          {[]part{{0, frame(whole, echo(1))[:20]}}, silence, late},
		"half a call, later":   {[]part{{time.Minute, frame(whole, echo(1))[:20]}}, time.Minute + silence, late},
		"a call and a byte":    {[]part{{0, frame(whole, echo(1)) + frame(whole, echo(2))[:1]}}, silence, late},
		"a ping and a byte":    {[]part{{0, frame(ping, "x") + frame(whole, echo(2))[:1]}}, silence, late},
		"a ping by drips":      {drip(frame(ping, "xxxxxx")), textTimeout, late},
		"a fragment":           {[]part{{0, frame(begins, echo(1)[:20])}}, silence, late},
		"two fragments":        {[]part{{0, frame(begins, echo(1)[:20])}, {9 * time.Second, frame(ends, echo(1)[20:])}}, time.Hour, "hello"},
		"pings and a fragment": {pingsAmid, textTimeout, late},
		"drip":                 {drip(frame(whole, echo(1))), textTimeout, late},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				conn := overHTTP(t).dial()
				go func() {
					_, _ = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
				}()
				for in := bufio.NewReader(io.LimitReader(conn, 129)); ; { // the answer has 129 bytes
					if line, err := in.ReadString('\n'); err != nil {
						t.Fatal(line, err)
					} else if line == "\r\n" {
						break
					}
				}
				open, heard := lasts(conn, tt.parts)
				if open != tt.want || !strings.Contains(heard, tt.says) {
					t.Errorf("open for %v, want %v; heard %s", open, tt.want, heard)
				}
			})
		})
	}
}

package admin

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/rpc"
	"github.com/gorilla/websocket"
)

const sum = `{"jsonrpc":"2.0","id":1,"method":"toy_add","params":[2,3]}`

func TestHTTP(t *testing.T) {
	o := serve(t, Config{HTTP: &HTTP{
		Addr: "127.0.0.1:0", HTTP: true, Namespaces: []string{"toy"}, CORS: []string{"https://good.example"},
	}})
	url := "http://" + o.sockets.Addr()
	for name, tt := range map[string]struct {
		body    string
		headers []string
		status  int
		says    string
	}{
		"a call":          {sum, nil, 200, `"result":5`},
		"localhost":       {sum, []string{"Host", "localhost:1"}, 200, `"result":5`},
		"a rebound name":  {sum, []string{"Host", "evil.example"}, 403, "host name"},
		"a form":          {sum, []string{"Content-Type", "text/plain"}, 415, "content type"},
		"a huge batch":    {"[" + strings.Repeat(sum+",", 9_999) + sum + "]", nil, 200, "batch too large"},
		"not for HTTP":    {`{"jsonrpc":"2.0","id":1,"method":"toy_subscribe","params":["x"]}`, nil, 200, "notifications not supported"},
		"no WebSocket":    {sum, []string{"Connection", "Upgrade", "Upgrade", "websocket"}, 404, "not served"},
		"not a namespace": {`{"jsonrpc":"2.0","id":1,"method":"admin_peers"}`, nil, 200, "does not exist"},
	} {
		status, text, h := post(t, url, tt.body, tt.headers...)
		if status != tt.status || !strings.Contains(text, tt.says) {
			t.Errorf("%s: %d %.200s", name, status, text)
		}
		if got := h.Get("Access-Control-Allow-Origin"); got != "" {
			t.Errorf("%s: web pages of %s may call, want none", name, got)
		}
	}
	for origin, allowed := range map[string]string{"https://good.example": "https://good.example", "https://evil.example": ""} {
		if _, _, h := post(t, url, sum, "Origin", origin); h.Get("Access-Control-Allow-Origin") != allowed {
			t.Errorf("headers for a call from %s: %v", origin, h)
		}
		status, _, h := request(t, http.MethodOptions, url, "", "Origin", origin, "Access-Control-Request-Method", "POST")
		if h.Get("Access-Control-Allow-Origin") != allowed || (status == http.StatusNoContent) != (allowed != "") {
			t.Errorf("preflight request from %s: %d %v", origin, status, h)
		}
	}
}

// A body that is too large is rejected: at once if its length is known, otherwise at the limit.
func TestHugeBody(t *testing.T) {
	o := serve(t, Config{HTTP: &HTTP{Addr: "127.0.0.1:0", HTTP: true}})
	for name, rest := range map[string]string{
		"length known": fmt.Sprintf("Content-Length: %d\r\n\r\n", maxText+1),
		"in chunks":    fmt.Sprintf("Transfer-Encoding: chunked\r\n\r\n%x\r\n", maxText+1) + strings.Repeat("x", maxText+1),
	} {
		t.Run(name, func(t *testing.T) {
			conn, err := net.Dial("tcp", o.sockets.Addr())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			fmt.Fprint(conn, "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"+rest)
			answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				t.Fatal(err)
			}
			defer answer.Body.Close()
			text, err := io.ReadAll(answer.Body)
			if err != nil || answer.StatusCode != http.StatusRequestEntityTooLarge || string(text) != string(errTooLarge.answer()) {
				t.Errorf("status %s, %s, %v", answer.Status, text, err)
			}
		})
	}
}

// A body that ends early is not run, even if it is a call.
func TestCutBody(t *testing.T) {
	o := serve(t, Config{HTTP: &HTTP{Addr: "127.0.0.1:0", HTTP: true, Namespaces: []string{"toy"}}})
	conn, err := net.Dial("tcp", o.sockets.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(sum)+1, sum)
	if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if text, err := io.ReadAll(answer.Body); !strings.Contains(string(text), "-32700") || err != nil {
		t.Errorf("status %s, %s, %v", answer.Status, text, err)
	}
}

func TestWebSocket(t *testing.T) {
	o := serve(t, Config{HTTP: &HTTP{
		Addr: "127.0.0.1:0", WebSocket: true, Namespaces: []string{"toy"}, Origins: []string{"https://good.example"},
	}})
	url := "ws://" + o.sockets.Addr()
	c := dialAt(t, url)
	if got, err := add(t, c); got != 5 {
		t.Error(err)
	}
	for origin, ok := range map[string]bool{"https://good.example": true, "https://evil.example": false} {
		c, err := rpc.DialOptions(t.Context(), url, rpc.WithHeader("Origin", origin))
		if (err == nil) != ok {
			t.Errorf("dial by a web page of %s: %v", origin, err)
		}
		if err == nil {
			c.Close()
		}
	}
	if status, text, _ := post(t, "http://"+o.sockets.Addr(), sum); status != 404 {
		t.Errorf("call by HTTP, which is not served: %d %s", status, text)
	}
	// A text that is too large ends only its own connection. The client of package rpc can't
	// show it: when the server closes while the client still writes, its call may wait for ever.
	other, _, err := websocket.DefaultDialer.DialContext(t.Context(), url, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	_ = other.WriteMessage(websocket.TextMessage, bytes.Repeat([]byte("x"), maxText+1)) // may fail at the end
	for {
		_, text, err := other.ReadMessage()
		if err != nil {
			break // the server has closed it
		}
		if !strings.Contains(string(text), errTooLarge.Error()) {
			t.Errorf("answer to a huge text: %s", text)
		}
	}
	if got, err := add(t, c); got != 5 {
		t.Errorf("call on the other connection: %v", err)
	}
}

func TestDefaultNamespaces(t *testing.T) {
	o := serve(t, Config{HTTP: &HTTP{Addr: "127.0.0.1:0", HTTP: true}})
	if _, text, _ := post(t, "http://"+o.sockets.Addr(), sum); !strings.Contains(text, "does not exist") {
		t.Errorf("a namespace that is not a default was served: %s", text)
	}
}

func post(t *testing.T, url, body string, headers ...string) (status int, text string, h http.Header) {
	t.Helper()
	return request(t, http.MethodPost, url, body, append([]string{"Content-Type", "application/json"}, headers...)...)
}

func request(t *testing.T, method, url, body string, headers ...string) (status int, text string, h http.Header) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	if host := r.Header.Get("Host"); host != "" {
		r.Host = host
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	answer, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	b, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(b), answer.Header
}

package admin

import (
	"bytes"
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestJudge(t *testing.T) {
	const call, silent, result = `{"jsonrpc":"2.0","id":1,"method":"a_b"}`, `{"jsonrpc":"2.0","method":"a_b"}`, `{"jsonrpc":"2.0","id":1,"result":null}`
	const subscribe = `{"jsonrpc":"2.0","id":"x","method":"a_subscribe"}`
	for _, tt := range []struct {
		text          string
		pass          string // to package rpc; "" is nothing, "=" the whole text
		subscriptions int
		id            string
	}{
		{call, "=", 0, "1"},
		{" \n" + call + " ", call + " ", 0, "1"},
		{subscribe, "=", 1, `"x"`},
		{silent, "", 0, ""},
		{`{"jsonrpc":"2.0","method":"a_subscribe"}`, "", 0, ""},
		{`{"jsonrpc":"2.0","id":null,"method":"a_b"}`, "=", 0, "null"},
		{`{"jsonrpc":"2.0","ID":1,"Method":"c","method":"a_b"}`, "", 0, ""},
		{`{"jsonrpc":"2.0","\u0069d":1,"method":"a_b"}`, "=", 0, "1"},
		{`{"jsonrpc":"2.0","id":1,"id":2,"method":"a_b"}`, "=", 0, "2"},
		{`{"jsonrpc":"2.0","method":"a_b","method":5}`, "", 0, ""}, // package rpc keeps the first
		{result, "", 0, ""},
		{`{"jsonrpc":"2.0","id":1,"error":{}}`, "", 0, ""},
		{`{"jsonrpc":"2.0","id":{},"result":1}`, "=", 0, ""},
		{`{"jsonrpc":"2.0","id":1,"method":5}`, "=", 0, ""},
		{`{"jsonrpc":"1.0","method":"a_b"}`, "=", 0, ""},
		{`{"method":"a_b"}`, "=", 0, ""},
		{`{}`, "=", 0, ""},
		{`5`, "=", 0, ""},
		{`1e999`, "=", 0, ""},
		{`"text"`, "=", 0, ""},
		{`null`, "=", 0, ""},
		{`[]`, "=", 0, ""},
		{`[5,1e999,null]`, "=", 0, ""},
		{`[` + silent + `,` + result + `]`, "", 0, ""},
		{`[` + silent + `,` + subscribe + `, ` + result + `,` + subscribe + `]`, `[` + subscribe + `,` + subscribe + `]`, 2, `"x"`},
		{``, "", 0, ""},
		{" \r\n\t", "", 0, ""},
	} {
		got, p := judge([]byte(tt.text))
		if tt.pass == "=" {
			tt.pass = tt.text
		}
		if p != nil || string(got.text) != tt.pass || got.subscriptions != tt.subscriptions || string(got.id) != tt.id {
			t.Errorf("%s: problem %v, passed %s, %d subscriptions, id %s", tt.text, p, got.text, got.subscriptions, got.id)
		}
	}
}

// Each text is either answered with a problem, or dropped, or answered by package rpc.
func FuzzJudge(f *testing.F) {
	for _, s := range []string{`{"jsonrpc":"2.0","id":1,"method":"a_b"}`, `[{"id":1}]`, `5`, `[[[`, `{"id":{"id":`, `[1e999]`} {
		f.Add([]byte(s))
	}
	server, err := NewServer(nil, nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		asked, p := judge(text)
		if p != nil && !json.Valid(p.answer()) {
			t.Errorf("%q is answered with %s", text, p.answer())
		}
		answer := httptest.NewRecorder()
		r := httptest.NewRequest(http.MethodPost, "/", bytes.NewReader(asked.text))
		r.Header.Set("Content-Type", "application/json")
		server.ServeHTTP(answer, r)
		if got := answer.Body.Bytes(); (len(got) > 0) != (asked.text != nil) {
			t.Errorf("%q: package rpc got %q and answered %q", text, asked.text, got)
		}
	})
}

func TestHTTPCheck(t *testing.T) {
	for _, tt := range []struct {
		name string
		cfg  HTTP
		says string // empty: no error
	}{
		{"plain", HTTP{Addr: ":1", HTTP: true}, ""},
		{"WebSocket alone", HTTP{Addr: ":1", WebSocket: true}, ""},
		{"any host and origin, harmless namespaces", HTTP{Addr: ":1", HTTP: true, Hosts: []string{"*"}, CORS: []string{"*"}, Origins: []string{"*"}}, ""},
		{"admin", HTTP{Addr: ":1", HTTP: true, Namespaces: []string{"admin"}, Hosts: []string{"my.host"}}, ""},
		{"neither", HTTP{Addr: ":1"}, "neither"},
		{"no port", HTTP{Addr: "localhost", HTTP: true}, "port"},
		{"admin, any host", HTTP{Addr: ":1", HTTP: true, Namespaces: []string{"net", "admin"}, Hosts: []string{"*"}}, "any host"},
		{"admin, any page", HTTP{Addr: ":1", HTTP: true, Namespaces: []string{"admin"}, CORS: []string{"*"}}, "any origin"},
		{"admin, any page's WebSocket", HTTP{Addr: ":1", WebSocket: true, Namespaces: []string{"admin"}, Origins: []string{"x", "*"}}, "any origin"},
	} {
		err := tt.cfg.Check()
		if (err == nil) != (tt.says == "") || err != nil && !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

func TestAdminOnLoopbackOnly(t *testing.T) {
	admin := HTTP{Namespaces: []string{"admin"}}
	for addr, forAdmin := range map[string]bool{"127.0.0.1:1": true, "[::1]:1": true, "0.0.0.0:1": false, "[::]:1": false, "192.0.2.1:1": false} {
		at, err := net.ResolveTCPAddr("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		if err := admin.checkBound(at); (err == nil) != forAdmin {
			t.Errorf("namespace admin at %s: %v", addr, err)
		}
		if err := (HTTP{}).checkBound(at); err != nil {
			t.Errorf("harmless namespaces at %s: %v", addr, err)
		}
	}
}

// An IPv4 address is no address of IPv6, also after a crash of the actor.
func TestFamilyOfTheListener(t *testing.T) {
	for host, want := range map[string]string{"0.0.0.0": "0.0.0.0", "[::ffff:0.0.0.0]": "0.0.0.0", "127.0.0.1": "127.0.0.1"} {
		s := &Sockets{cfg: Config{HTTP: &HTTP{Addr: host + ":0", HTTP: true}}}
		for range 2 { // an actor that crashed opens the address again
			ln, err := s.listenTCP(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if got := ln.Addr().(*net.TCPAddr).IP.String(); got != want {
				t.Errorf("%q listens on %s, want %s", host, got, want)
			}
			ln.Close()
		}
	}
}

func TestHosted(t *testing.T) {
	for _, tt := range []struct {
		hosts []string
		host  string
		want  bool
	}{
		{[]string{"localhost"}, "localhost:8545", true},
		{[]string{"localhost"}, "LOCALHOST", true},
		{[]string{"localhost"}, "127.0.0.1:8545", true},
		{[]string{"localhost"}, "[::1]:8545", true},
		{[]string{"localhost"}, "[::1]", true},
		{[]string{"localhost"}, "evil.example:8545", false},
		{[]string{"localhost"}, "localhost.evil.example", false},
		{[]string{"localhost"}, "127.0.0.1.evil.example", false},
		{[]string{"localhost"}, "", false},
		{[]string{"a", "b.example"}, "b.example:1", true},
		{[]string{"*"}, "evil.example", true},
	} {
		if got := hosted(tt.hosts, tt.host); got != tt.want {
			t.Errorf("host %q with the list %v: %v", tt.host, tt.hosts, got)
		}
	}
}

// toy is a service for tests.
type toy struct{}

// Add is toy_add.
func (toy) Add(a, b int) int { return a + b }

func TestNewServerRefuses(t *testing.T) {
	for name, apis := range map[string][]API{
		"no service":   {{Namespace: "toy"}},
		"no methods":   {{Namespace: "toy", Service: struct{}{}}},
		"no namespace": {{Service: toy{}}},
		"underscore":   {{Namespace: "to_y", Service: toy{}}},
		"rpc's own":    {{Namespace: "rpc", Service: toy{}}},
		"twice":        {{Namespace: "toy", Service: toy{}}, {Namespace: "toy", Service: toy{}}},
	} {
		if _, err := NewServer(apis, nil); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if _, err := NewServer([]API{{Namespace: "toy", Service: toy{}}, {Namespace: "net", Service: toy{}}}, []string{"net"}); err != nil {
		t.Error(err)
	}
}

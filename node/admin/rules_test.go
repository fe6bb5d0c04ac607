package admin

import (
	"encoding/json"
	"net"
	"strings"
	"testing"
)

func TestInspect(t *testing.T) {
	for _, tt := range []struct {
		text          string
		answer        bool
		subscriptions int
		id            string
	}{
		{`{"jsonrpc":"2.0","id":1,"method":"a_b"}`, true, 0, "1"},
		{`{"id":"x","method":"a_subscribe"}`, true, 1, `"x"`},
		{`{"method":"a_b"}`, false, 0, ""},
		{`{"id":null,"method":"a_b"}`, false, 0, ""},
		{`{"id":1,"result":true}`, false, 0, ""},
		{`{"id":1,"error":{}}`, false, 0, ""},
		{`{"id":1,"method":5}`, true, 0, "1"},
		{`{}`, true, 0, ""},
		{`5`, true, 0, ""},
		{`"text"`, true, 0, ""},
		{`null`, true, 0, ""},
		{`[]`, true, 0, ""},
		{`[5]`, true, 0, ""},
		{`[{"method":"a_b"},{"method":"a_c"}]`, false, 0, ""},
		{`[{"method":"a_b"},{"id":2,"method":"a_subscribe"},{"id":3,"method":"b_subscribe"}]`, true, 2, "2"},
	} {
		got := inspect(json.RawMessage(tt.text))
		if got.answer != tt.answer || got.subscriptions != tt.subscriptions || string(got.id) != tt.id {
			t.Errorf("%s: %+v", tt.text, got)
		}
	}
}

func FuzzInspect(f *testing.F) {
	for _, s := range []string{`{"id":1,"method":"a_b"}`, `[{"id":1}]`, `5`, `[[[`, `{"id":{"id":`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if a := inspect(text); !a.answer && (a.subscriptions != 0 || a.id != nil) {
			t.Errorf("%q wants no answer, but has %+v", text, a)
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

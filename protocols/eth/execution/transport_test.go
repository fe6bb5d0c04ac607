package execution_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/rpc"

	"github.com/troupe-p2p/troupe/protocols/eth/execution"
)

// start asks a URL until the test ends, and returns a channel with a value for each change of the head.
func start(t *testing.T, s *server, rawURL string, log io.Writer) (*execution.Node, <-chan struct{}) {
	t.Helper()
	changed := make(chan struct{}, 100)
	n := run(t, s, func(c *execution.Config) {
		c.Dial, c.URL, c.Log = nil, rawURL, slog.New(slog.NewJSONHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))
		c.HeadChanged = func() { changed <- struct{}{} }
	})
	return n, changed
}

func wait(t *testing.T, changed <-chan struct{}) {
	t.Helper()
	select {
	case <-changed:
	case <-time.After(30 * time.Second):
		t.Fatal("nothing has happened")
	}
}

// TestTransports: a node is asked by HTTP, WebSocket and socket, with user and password.
func TestTransports(t *testing.T) {
	main := grow(nil, "main", 110)
	for _, scheme := range []string{"http", "ws", "socket"} {
		t.Run(scheme, func(t *testing.T) {
			s := newServer(t, main[:101])
			handler := map[string]http.Handler{"http": s.rpc, "ws": s.rpc.WebsocketHandler([]string{"*"})}[scheme]
			var at string
			if scheme == "socket" {
				at = filepath.Join(t.TempDir(), "geth.ipc")
				l, server, err := rpc.StartIPCEndpoint(at, []rpc.API{{Namespace: "eth", Service: &api{s}}})
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { l.Close(); server.Stop() })
			} else {
				server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if user, password, _ := r.BasicAuth(); user != "user" || password != "pass word" || r.URL.Path != "/v3/token" {
						w.WriteHeader(http.StatusUnauthorized)
						return
					}
					handler.ServeHTTP(w, r)
				}))
				t.Cleanup(server.Close)
				at = scheme + "://user:pass%20word@" + server.Listener.Addr().String() + "/v3/token"
			}
			n, changed := start(t, s, at, io.Discard)
			wait(t, changed)
			wantHead(t, n, main[:101], 33, false)
			n.Prepare(t.Context(), addrOf(1))
			if _, _, ok := n.Account(addrOf(1)); !ok {
				t.Error("the account is not known")
			}
			if scheme != "http" { // it is told of at once
				s.head(main)
				wait(t, changed)
				wantHead(t, n, main, 33, false)
			}
		})
	}
}

// TestCredentials: whatever fails, no credentials are in the log, the state or an error.
func TestCredentials(t *testing.T) {
	secrets := []string{"secretuser", "secretword", "secretpath", "secretquery", "secret%2Fvalue", "secret/value", "secretname"}
	main := grow(nil, "main", 3)
	endless := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, `[{"id":1,"result":"`)
		for page := bytes.Repeat([]byte("0"), 1<<20); ; {
			if _, err := w.Write(page); err != nil {
				return
			}
		}
	})
	echo := func(status int) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			user, password, _ := r.BasicAuth()
			w.WriteHeader(status)
			fmt.Fprintf(w, "\x1b[31mnot for %s:%s at\n%s %s", user, password, r.URL, strings.Repeat("x", 1<<20))
		})
	}
	rpcError := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var calls []struct{ ID json.RawMessage }
		if err := json.NewDecoder(r.Body).Decode(&calls); err != nil { // no calls but a WebSocket's handshake
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		var answers []any
		for _, c := range calls {
			answers = append(answers, map[string]any{"jsonrpc": "2.0", "id": c.ID, "error": map[string]any{"code": -32005, "message": "the limit of " + r.URL.String() + " is reached"}})
		}
		w.Header().Set("Content-Type", "application/json")
		if err := json.NewEncoder(w).Encode(answers); err != nil {
			t.Error(err)
		}
	})
	redirect := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, r.URL.String()+"/secretpath", http.StatusPermanentRedirect)
	})
	closed := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { panic(http.ErrAbortHandler) })
	for name, c := range map[string]struct {
		handler http.Handler // nil: nothing listens
		want    string
	}{
		"nothing listens":         {nil, "refused"},
		"refused":                 {echo(http.StatusForbidden), "403"},
		"not JSON":                {echo(http.StatusOK), ""},
		"an endless answer":       {endless, "larger than"},
		"the limit is reached":    {rpcError, "the limit of"},
		"redirected for ever":     {redirect, "10 redirects"},
		"the connection is ended": {closed, "EOF"},
	} {
		for _, scheme := range []string{"http", "ws"} {
			t.Run(name+" "+scheme, func(t *testing.T) {
				host := "127.0.0.1:1"
				if c.handler != nil {
					server := httptest.NewUnstartedServer(c.handler)
					server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
					server.Start()
					t.Cleanup(server.Close)
					host = server.Listener.Addr().String()
				}
				var log lines
				s := newServer(t, main)
				u := &url.URL{Scheme: scheme, User: url.UserPassword("secretuser", "secretword"), Host: host, Path: "/v3/secretpath/secret/value", RawQuery: "key=secretquery&k=secret%2Fvalue&secretname"}
				log.written = make(chan struct{}, 100)
				n, _ := start(t, s, u.String(), &log)
				for !strings.Contains(log.String(), "does not answer") {
					wait(t, log.written)
				}
				state := n.State()
				text, err := json.Marshal(state)
				if err != nil {
					t.Fatal(err)
				}
				for _, secret := range secrets {
					if strings.Contains(string(text), secret) || strings.Contains(log.String(), secret) {
						t.Errorf("%s is in the state %s or the log\n%s", secret, text, log.String())
					}
				}
				if state.Health != execution.Unavailable || scheme == "http" && !strings.Contains(state.Reason, c.want) {
					t.Errorf("state %s", text)
				}
				if len(state.Reason) > 400 || strings.ContainsAny(state.Reason, "\x1b\n") {
					t.Errorf("reason %q", state.Reason)
				}
			})
		}
	}
}

// lines is a log.
type lines struct {
	mu      sync.Mutex
	b       bytes.Buffer
	written chan struct{}
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	defer func() { l.written <- struct{}{} }()
	return l.b.Write(b)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// TestURL: which URLs are taken, and what is shown of them. The error has no part of the URL.
func TestURL(t *testing.T) {
	for _, c := range []struct{ url, shown, err string }{
		{"http://localhost:8545", "http://localhost:8545", ""},
		{"https://user:pass@example.org/v3/token?key=1#x", "https://example.org", ""},
		{"ws://[::1]:8546/", "ws://[::1]:8546", ""},
		{"wss://token@example.org", "wss://example.org", ""},
		{"/home/me/geth.ipc", "/home/me/geth.ipc", ""},
		{"geth.ipc", "geth.ipc", ""},
		{"", "", "host"},
		{"http://", "http:", "host"},
		{"http:secret", "", "host"},
		{"stdio://secret", "", "scheme"},
		{"stdio:", "", "host"},
		{"ftp://secret", "", "scheme"},
		{"http://secret:secret@host:port/", "", "invalid"},
		{"http://secret\x7f", "", "invalid"},
		{"localhost:8545", "", "host"},
	} {
		err := execution.CheckURL(c.url)
		if c.err == "" {
			if err != nil || execution.Redact(c.url) != c.shown {
				t.Errorf("%s: %v, shown as %s", c.url, err, execution.Redact(c.url))
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), c.err) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", c.url, err)
		}
		if _, err := execution.New(execution.Config{URL: c.url}); err == nil {
			t.Errorf("%s: there is a node", c.url)
		}
	}
}

// TestRunTwice: a node that is asked already is not asked twice, and after the end of the first Run
// it is asked again.
func TestRunTwice(t *testing.T) {
	main := grow(nil, "main", 40)
	s := newServer(t, main)
	changed := make(chan struct{}, 10)
	n, err := execution.New(execution.Config{Dial: s.dial, ChainID: chainID, Genesis: main[0].Hash, HeadChanged: func() { changed <- struct{}{} }})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		ctx, cancel := context.WithCancel(t.Context())
		var all sync.WaitGroup
		all.Go(func() { n.Run(ctx) })
		wait(t, changed)
		n.Run(ctx) // returns
		n.Prepare(t.Context(), addrOf(1))
		if _, _, ok := n.Account(addrOf(1)); !ok {
			t.Error("the account is not known")
		}
		cancel()
		all.Wait()
		wait(t, changed) // it is stale
		if h := n.Head(); !h.Stale || len(h.Headers) == 0 {
			t.Errorf("%d headers, stale %v", len(h.Headers), h.Stale)
		}
	}
}

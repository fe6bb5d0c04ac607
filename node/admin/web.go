package admin

import (
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/gorilla/websocket"
)

const (
	maxHeader = 16 << 10
	// Timeouts of an HTTP client: for reading the answer, and for an idle connection. It has
	// silence to send the header, and textTimeout to send the body.
	answerTimeout, idleTimeout = 30 * time.Second, 60 * time.Second
)

// web serves a session by HTTP and WebSocket.
type web struct {
	HTTP
	session  *session
	upgrader websocket.Upgrader
}

func newWeb(s *session, cfg HTTP) *web {
	if len(cfg.Hosts) == 0 {
		cfg.Hosts = []string{"localhost"}
	}
	w := &web{HTTP: cfg, session: s}
	w.upgrader.CheckOrigin = func(r *http.Request) bool {
		// Browsers always send the origin. Other programs don't, and could send any.
		origin := r.Header.Get("Origin")
		return origin == "" || listed(w.Origins, origin)
	}
	return w
}

func (w *web) server(log *slog.Logger) *http.Server {
	return &http.Server{
		Handler: w, MaxHeaderBytes: maxHeader,
		ReadHeaderTimeout: silence, ReadTimeout: textTimeout, WriteTimeout: answerTimeout, IdleTimeout: idleTimeout,
		ConnState: httpState, ConnContext: withConn,
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
}

// ServeHTTP implements http.Handler.
func (w *web) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	switch {
	case !hosted(w.Hosts, r.Host):
		http.Error(rw, "this host name is not served", http.StatusForbidden)
	case websocket.IsWebSocketUpgrade(r):
		w.upgrade(rw, r)
	case !w.HTTP.HTTP:
		http.Error(rw, "HTTP is not served", http.StatusNotFound)
	case w.crossOrigin(rw, r) && r.Method == http.MethodOptions:
		rw.WriteHeader(http.StatusNoContent)
	default:
		w.call(rw, r)
	}
}

// call serves a request by HTTP. Package rpc answers one that has no text.
func (w *web) call(rw http.ResponseWriter, r *http.Request) {
	server := w.session.some.Load()
	if !hasText(r) {
		server.ServeHTTP(rw, withText(r, nil))
		return
	}
	text, p := readText(rw, r)
	var a asked
	if p == nil {
		if w.session.bytes.Acquire(r.Context(), int64(len(text))) != nil {
			return // the client has gone
		}
		defer w.session.bytes.Release(int64(len(text)))
		a, p = judge(text)
	}
	if p == nil {
		server.ServeHTTP(rw, withText(r, a.text))
		return
	}
	rw.Header().Set("Content-Type", "application/json")
	rw.WriteHeader(statusOf(p))
	_, _ = rw.Write(p.answer()) // fails if the client has gone
}

// statusOf returns the HTTP status of an answer. An error of JSON-RPC has status 200, like a
// result, unless the request could not be read.
func statusOf(p *problem) int {
	switch p {
	case errTooLarge:
		return http.StatusRequestEntityTooLarge
	case errSlow:
		return http.StatusRequestTimeout
	}
	return http.StatusOK
}

func (w *web) upgrade(rw http.ResponseWriter, r *http.Request) {
	if !w.WebSocket {
		http.Error(rw, "WebSocket is not served", http.StatusNotFound)
		return
	}
	h := &hijacker{ResponseWriter: rw}
	conn, err := w.upgrader.Upgrade(h, r, nil)
	if err != nil {
		return // Upgrade has answered the client
	}
	st := w.session.stream(newFrames(conn, h))
	if c := connOf(r.Context()); c != nil {
		c.follow(st)
	}
	w.session.serve(w.session.some.Load(), st)
}

// crossOrigin sets the CORS headers for a web page of another origin. It reports whether
// that page may call.
func (w *web) crossOrigin(rw http.ResponseWriter, r *http.Request) bool {
	origin := r.Header.Get("Origin")
	if origin == "" || !listed(w.CORS, origin) {
		return false
	}
	h := rw.Header()
	h.Set("Access-Control-Allow-Origin", origin)
	h.Set("Access-Control-Allow-Methods", "POST, GET")
	h.Set("Access-Control-Allow-Headers", "Content-Type")
	h.Set("Access-Control-Max-Age", "600")
	h.Add("Vary", "Origin")
	return true
}

func listed(list []string, s string) bool {
	return slices.Contains(list, "*") || slices.ContainsFunc(list, func(l string) bool { return strings.EqualFold(l, s) })
}

// hosted reports whether a Host header has an IP address or a listed host name.
func hosted(hosts []string, host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	if _, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil {
		return true
	}
	return listed(hosts, host)
}

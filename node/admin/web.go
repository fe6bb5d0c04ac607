package admin

import (
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

const (
	maxHeader = 16 << 10
	// What a client by HTTP gets to send a call, and to take its answer; and how long it may
	// stay without one.
	headerTimeout, readTimeout, answerTimeout, idleTimeout = 10 * time.Second, 30 * time.Second, 30 * time.Second, 60 * time.Second
)

// web serves a session by HTTP.
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
		// Programs have no origin, and could name any; browsers always tell it.
		origin := r.Header.Get("Origin")
		return origin == "" || listed(w.Origins, origin)
	}
	return w
}

func (w *web) server(log *slog.Logger) *http.Server {
	return &http.Server{
		Handler: w, MaxHeaderBytes: maxHeader,
		ReadHeaderTimeout: headerTimeout, ReadTimeout: readTimeout, WriteTimeout: answerTimeout, IdleTimeout: idleTimeout,
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
}

// ServeHTTP implements http.Handler.
func (w *web) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	switch {
	case !hosted(w.Hosts, r.Host):
		http.Error(rw, "this host name is not served here", http.StatusForbidden)
	case websocket.IsWebSocketUpgrade(r):
		w.upgrade(rw, r)
	case !w.HTTP.HTTP:
		http.Error(rw, "HTTP is not served here", http.StatusNotFound)
	case w.crossOrigin(rw, r) && r.Method == http.MethodOptions:
		rw.WriteHeader(http.StatusNoContent)
	default:
		w.session.some.Load().ServeHTTP(rw, r)
	}
}

func (w *web) upgrade(rw http.ResponseWriter, r *http.Request) {
	if !w.WebSocket {
		http.Error(rw, "WebSocket is not served here", http.StatusNotFound)
		return
	}
	conn, err := w.upgrader.Upgrade(rw, r, nil)
	if err != nil {
		return // it has answered the client
	}
	w.session.serve(w.session.some.Load(), newFrames(conn))
}

// crossOrigin answers what a browser asks on behalf of a page of another origin. It says
// whether that page may call.
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

// hosted says whether a Host header names an address, or a host that is listed.
func hosted(hosts []string, host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	if _, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil {
		return true
	}
	return listed(hosts, host)
}

// limited is a listener that accepts no more while maxConns connections are open: they wait
// in the kernel.
type limited struct {
	net.Listener
	places chan struct{}
	closed chan struct{}
	once   sync.Once
}

func limit(ln net.Listener) net.Listener {
	return &limited{Listener: ln, places: make(chan struct{}, maxConns), closed: make(chan struct{})}
}

func (l *limited) Accept() (net.Conn, error) {
	select {
	case l.places <- struct{}{}:
	case <-l.closed:
		return nil, net.ErrClosed
	}
	conn, err := l.Listener.Accept()
	if err != nil {
		<-l.places
		return nil, err
	}
	return &placed{Conn: conn, leave: sync.OnceFunc(func() { <-l.places })}, nil
}

func (l *limited) Close() error {
	l.once.Do(func() { close(l.closed) })
	return l.Listener.Close()
}

// placed is a connection that gives its place back when it is closed.
type placed struct {
	net.Conn
	leave func()
}

func (p *placed) Close() error {
	defer p.leave()
	return p.Conn.Close()
}

package admin

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/troupe-p2p/troupe/node/datadir"
)

// dialTimeout is how long an existing socket may take to accept a connection.
const dialTimeout = 2 * time.Second

// Errors of [Open].
var (
	// ErrInUse is the error for a unix socket that another node serves.
	ErrInUse = errors.New("another node uses this socket")
	// ErrPathTooLong is the error for a path that is too long for a unix socket. Systems limit
	// it to about a hundred bytes.
	ErrPathTooLong = errors.New("path of the unix socket is too long")
)

// Sockets are the listening sockets of the actor. They are opened before it starts, and
// again by each incarnation after a crash.
type Sockets struct {
	cfg Config

	mu   sync.Mutex
	open *listeners // nil if closed or taken by the actor
	addr string     // the TCP address, with the actual port

	counters counters
}

type counters struct {
	open                      atomic.Int64
	served, rejected, evicted atomic.Uint64
}

// State is what the sockets serve and have served. The counters only grow. Requests by HTTP
// without WebSocket are no connections.
type State struct {
	Open     int    // connections by IPC and WebSocket
	Served   uint64 // connections by IPC and WebSocket
	Rejected uint64 // connections by TCP that got an error because all places were taken
	Evicted  uint64 // connections of any kind that made room for another
}

// State returns the counters. It is safe from any goroutine.
func (s *Sockets) State() State {
	c := &s.counters
	return State{Open: int(c.open.Load()), Served: c.served.Load(), Rejected: c.rejected.Load(), Evicted: c.evicted.Load()}
}

// listeners is one set of open sockets; either may be nil.
type listeners struct{ ipc, web net.Listener }

func (l *listeners) close() {
	for _, ln := range []net.Listener{l.ipc, l.web} {
		if ln != nil {
			_ = ln.Close() // fails if it is closed already
		}
	}
}

// Open opens the configured sockets. On error it leaves none open.
func Open(ctx context.Context, cfg Config) (*Sockets, error) {
	s := &Sockets{cfg: cfg}
	open, err := s.listen(ctx)
	if err != nil {
		return nil, err
	}
	s.open = open
	return s, nil
}

// Addr returns the host:port on which HTTP and WebSocket are served; empty if they are not.
func (s *Sockets) Addr() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.addr
}

// Close closes the sockets, unless the actor has taken them.
func (s *Sockets) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open != nil {
		s.open.close()
		s.open = nil
	}
}

// take passes the open sockets to an incarnation, which must close them. It opens them
// again if an earlier incarnation has taken them.
func (s *Sockets) take() (*listeners, error) {
	s.mu.Lock()
	open := s.open
	s.open = nil
	s.mu.Unlock()
	if open != nil {
		return open, nil
	}
	return s.listen(context.Background())
}

func (s *Sockets) listen(ctx context.Context) (*listeners, error) {
	var (
		l   listeners
		err error
	)
	if s.cfg.IPC != "" {
		l.ipc, err = listenIPC(ctx, s.cfg.IPC)
		if err != nil && s.cfg.IPCOptional && datadir.Unwritable(err) {
			s.cfg.Log.Warn("IPC not served: the directory of the socket can't be written", "err", err)
		} else if err != nil {
			return nil, err
		}
	}
	if s.cfg.HTTP != nil {
		if l.web, err = s.listenTCP(ctx); err != nil {
			l.close()
			return nil, err
		}
	}
	return &l, nil
}

func (s *Sockets) listenTCP(ctx context.Context) (net.Listener, error) {
	s.mu.Lock()
	addr := s.addr
	s.mu.Unlock()
	if addr == "" {
		addr = s.cfg.HTTP.Addr
	}
	ln, err := new(net.ListenConfig).Listen(ctx, tcpNetwork(s.cfg.HTTP.Addr), addr)
	if err != nil {
		return nil, fmt.Errorf("serve HTTP: %w", err)
	}
	if err := s.cfg.HTTP.checkBound(ln.Addr()); err != nil {
		_ = ln.Close() // it was never used
		return nil, fmt.Errorf("serve HTTP: %w", err)
	}
	s.mu.Lock()
	s.addr = ln.Addr().String()
	s.mu.Unlock()
	return ln, nil
}

// tcpNetwork returns the network in which package net listens at a host:port. At an IPv4 address
// that is IPv4 alone: with "tcp", 0.0.0.0 would be all addresses of IPv6, too.
func tcpNetwork(addr string) string {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return "tcp" // Listen returns the error
	}
	if ip, err := netip.ParseAddr(host); err == nil && ip.Unmap().Is4() {
		return "tcp4"
	}
	return "tcp"
}

// listenIPC opens a unix socket that only its owner can use.
func listenIPC(ctx context.Context, path string) (net.Listener, error) {
	if len(path) > maxPath {
		return nil, fmt.Errorf("serve IPC: %w: %d bytes, want at most %d: %s", ErrPathTooLong, len(path), maxPath, path)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("serve IPC: %w", err)
	}
	lc := net.ListenConfig{Control: private}
	ln, err := lc.Listen(ctx, "unix", path)
	if errors.Is(err, syscall.EADDRINUSE) {
		if failed := removeStale(ctx, path); errors.Is(failed, ErrInUse) {
			return nil, fmt.Errorf("serve IPC: %s: %w", path, failed)
		} else if failed != nil {
			return nil, fmt.Errorf("serve IPC: %w, and replacing the socket failed: %w", err, failed)
		}
		ln, err = lc.Listen(ctx, "unix", path)
	}
	if err == nil {
		if err = os.Chmod(path, 0o600); err != nil {
			_ = ln.Close() // otherwise other users could use it
		}
	}
	if err != nil {
		return nil, fmt.Errorf("serve IPC: %w", err)
	}
	return ln, nil
}

// removeStale removes the socket of a dead node. It leaves any other file in place and
// returns an error.
func removeStale(ctx context.Context, path string) error {
	info, err := os.Lstat(path)
	if err != nil {
		return err
	}
	if info.Mode().Type() != fs.ModeSocket {
		return fmt.Errorf("the file exists and is not a socket: mode %v", info.Mode())
	}
	conn, err := (&net.Dialer{Timeout: dialTimeout}).DialContext(ctx, "unix", path)
	switch {
	case err == nil:
		_ = conn.Close() // it served only to check whether a node answers
		return ErrInUse
	case !errors.Is(err, syscall.ECONNREFUSED):
		return err
	}
	return os.Remove(path)
}

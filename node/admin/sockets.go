package admin

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

// dialTimeout is how long a node whose socket is found gets to answer.
const dialTimeout = 2 * time.Second

// Errors of [Open].
var (
	// ErrInUse: another node serves that unix socket.
	ErrInUse = errors.New("a node runs there")
	// ErrPathTooLong: systems limit the path of a unix socket to some hundred bytes.
	ErrPathTooLong = errors.New("path of a unix socket is too long")
)

// Sockets are what an actor listens on. They are opened before it starts, and again by each
// incarnation that follows one which crashed.
type Sockets struct {
	cfg Config

	mu   sync.Mutex
	open *listeners // nil when closed, or taken by the actor
	addr string     // of TCP: with the number of the port that was taken
}

// listeners is one set of open sockets; either may be nil.
type listeners struct{ ipc, web net.Listener }

func (l *listeners) close() {
	for _, ln := range []net.Listener{l.ipc, l.web} {
		if ln != nil {
			_ = ln.Close() // closed already, or gone
		}
	}
}

// Open opens what the configuration names, all or nothing.
func Open(ctx context.Context, cfg Config) (*Sockets, error) {
	s := &Sockets{cfg: cfg}
	open, err := s.listen(ctx)
	if err != nil {
		return nil, err
	}
	s.open = open
	return s, nil
}

// Addr is where HTTP and WebSocket are served, host:port; empty if nowhere.
func (s *Sockets) Addr() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.addr
}

// Close closes what no actor has taken.
func (s *Sockets) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open != nil {
		s.open.close()
		s.open = nil
	}
}

// take gives the open sockets to an incarnation, which closes them.
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
		if l.ipc, err = listenIPC(ctx, s.cfg.IPC); err != nil {
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
	ln, err := new(net.ListenConfig).Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("serve HTTP: %w", err)
	}
	if err := s.cfg.HTTP.checkBound(ln.Addr()); err != nil {
		_ = ln.Close() // nobody has seen it
		return nil, fmt.Errorf("serve HTTP: %w", err)
	}
	s.mu.Lock()
	s.addr = ln.Addr().String()
	s.mu.Unlock()
	return ln, nil
}

// listenIPC opens a unix socket that is the owner's alone.
func listenIPC(ctx context.Context, path string) (net.Listener, error) {
	if len(path) > maxPath {
		return nil, fmt.Errorf("serve IPC: %w: %d bytes, at most %d are allowed: %s", ErrPathTooLong, len(path), maxPath, path)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("serve IPC: %w", err)
	}
	lc := net.ListenConfig{Control: private}
	ln, err := lc.Listen(ctx, "unix", path)
	if errors.Is(err, syscall.EADDRINUSE) {
		if err := removeStale(ctx, path); err != nil {
			return nil, fmt.Errorf("serve IPC: %s: %w", path, err)
		}
		ln, err = lc.Listen(ctx, "unix", path)
	}
	if err == nil {
		if err = os.Chmod(path, 0o600); err != nil {
			_ = ln.Close() // it must not stay open to others
		}
	}
	if err != nil {
		return nil, fmt.Errorf("serve IPC: %w", err)
	}
	return ln, nil
}

// removeStale removes the socket of a node that is dead. Anything else stays.
func removeStale(ctx context.Context, path string) error {
	info, err := os.Lstat(path)
	if err != nil {
		return err
	}
	if info.Mode().Type() != fs.ModeSocket {
		return fmt.Errorf("there is something else than a socket: %v", info.Mode())
	}
	conn, err := (&net.Dialer{Timeout: dialTimeout}).DialContext(ctx, "unix", path)
	switch {
	case err == nil:
		_ = conn.Close() // it was opened to see whether somebody answers
		return ErrInUse
	case !errors.Is(err, syscall.ECONNREFUSED):
		return err
	}
	return os.Remove(path)
}

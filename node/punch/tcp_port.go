package punch

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/troupe-p2p/troupe/actors/supervise"
	"github.com/troupe-p2p/troupe/nat/netaddr"
	"github.com/troupe-p2p/troupe/node/refusal"
)

const (
	// openPause is the time between two attempts to connect through a hole.
	openPause = 100 * time.Millisecond
	// maxExpected limits the connections that are expected at the same time. There are fewer
	// calls than that.
	maxExpected = 64
)

var (
	errNoListener = errors.New("no listening address of this family")
	errTooMany    = errors.New("too many connections expected")
)

// ListenPort is a [TCPPort] on the node's listening sockets: it dials from their ports, and
// takes the expected connections among those that they accept. Its methods are safe from any
// goroutine.
type ListenPort struct {
	ListenPortConfig

	mu           sync.Mutex
	expected     []*expectedConn // oldest first
	announced    announcements
	observations map[netip.AddrPort]*tcpObservation
}

// ListenPortConfig is the configuration of a ListenPort.
type ListenPortConfig struct {
	// Dial connects from a listening address.
	Dial func(ctx context.Context, from, to netip.AddrPort) (net.Conn, error)
	// From returns the listening address from which to connect to an address; ok is false if
	// there is none of its family.
	From     func(to netip.Addr) (from netip.AddrPort, ok bool)
	Networks []netip.Prefix // see netaddr.Allowed
	Clock    supervise.Clock
}

var _ TCPPort = (*ListenPort)(nil)

// NewListenPort makes a ListenPort.
func NewListenPort(c ListenPortConfig) *ListenPort {
	return &ListenPort{ListenPortConfig: c, observations: map[netip.AddrPort]*tcpObservation{}}
}

// expectedConn is a connection that both nodes have agreed on, and that a listening socket may
// accept.
type expectedConn struct {
	from netip.AddrPort // with port 0: any port
	came func()         // called when it is accepted
	conn net.Conn       // guarded by ListenPort.mu
}

// Open implements [TCPPort]. A failed attempt does not rule out the next: if the remote's SYN
// arrives before our own is sent, connect() fails, and the listening socket gets the connection.
func (p *ListenPort) Open(ctx context.Context, to netip.AddrPort, after time.Duration) (net.Conn, error) {
	from, err := p.route(to)
	if err != nil {
		return nil, err
	}
	trying, stop := context.WithCancel(ctx)
	defer stop()
	e := &expectedConn{from: to, came: stop}
	if err := p.expect(e); err != nil {
		return nil, err
	}
	p.pause(trying, after)
	var failed error
	for to.Port() != 0 && trying.Err() == nil {
		conn, err := p.Dial(trying, from, to)
		if err == nil {
			if first := p.forget(e); first != nil {
				_ = conn.Close() // the accepted connection was first
				conn = first
			}
			return conn, nil
		}
		if trying.Err() == nil {
			failed = err
		}
		p.pause(trying, openPause)
	}
	<-trying.Done()
	if conn := p.forget(e); conn != nil {
		return conn, nil
	}
	return nil, fmt.Errorf("no connection with %v: %w", to, errors.Join(context.Cause(ctx), failed))
}

// route returns the listening address from which to connect to an endpoint.
func (p *ListenPort) route(to netip.AddrPort) (from netip.AddrPort, err error) {
	if !netaddr.Allowed(p.Networks, to.Addr()) {
		return from, fmt.Errorf("%v: %w", to, refusal.ErrNotAllowed)
	}
	from, ok := p.From(to.Addr())
	if !ok {
		return from, fmt.Errorf("%v: %w", to, errNoListener)
	}
	return from, nil
}

// expect makes Take look for a connection.
func (p *ListenPort) expect(e *expectedConn) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.expected) >= maxExpected {
		return errTooMany
	}
	p.expected = append(p.expected, e)
	return nil
}

// forget reverts expect. It returns the connection if it was accepted meanwhile.
func (p *ListenPort) forget(e *expectedConn) net.Conn {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.expected = slices.DeleteFunc(p.expected, func(other *expectedConn) bool { return other == e })
	return e.conn
}

// Take takes a connection that the listening socket accepted, if it is expected. Otherwise it
// returns false, and the caller keeps the connection.
func (p *ListenPort) Take(conn net.Conn) bool {
	at := netaddr.Of(conn.RemoteAddr())
	anyPort := netip.AddrPortFrom(at.Addr(), 0)
	p.mu.Lock()
	defer p.mu.Unlock()
	i := slices.IndexFunc(p.expected, func(e *expectedConn) bool { return e.from == at })
	if i < 0 {
		i = slices.IndexFunc(p.expected, func(e *expectedConn) bool { return e.from == anyPort })
	}
	if i < 0 {
		return false
	}
	e := p.expected[i]
	p.expected = slices.Delete(p.expected, i, i+1)
	e.conn = conn
	e.came()
	return true
}

// pause waits until d has passed or ctx ends.
func (p *ListenPort) pause(ctx context.Context, d time.Duration) {
	over := make(chan struct{})
	timer := p.Clock.AfterFunc(d, func() { close(over) })
	defer timer.Stop()
	select {
	case <-over:
	case <-ctx.Done():
	}
}

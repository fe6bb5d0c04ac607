package punch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/troupe-p2p/troupe/nat/stun"
)

// observeTimeout limits how long a neighbour may take to report our endpoint, if the caller's
// context does not end sooner.
const observeTimeout = 5 * time.Second

// errNotObserved reports that a neighbour did not answer with an endpoint.
var errNotObserved = errors.New("neighbour did not report an endpoint")

// tcpObservation is a connection over which a neighbour reports the endpoint at which it
// observes us. There can be one to each neighbour at a time, because all would have the same two
// endpoints. Concurrent callers share it.
type tcpObservation struct {
	over chan struct{} // closes when seen, conn and err are set
	seen netip.AddrPort

	// Guarded by ListenPort.mu, as is its place in ListenPort.observations.
	users int
	conn  net.Conn
	err   error
}

// Observed implements [TCPPort].
func (p *ListenPort) Observed(ctx context.Context, neighbour netip.AddrPort) (seen netip.AddrPort, held io.Closer, err error) {
	from, err := p.route(neighbour)
	if err != nil {
		return seen, nil, err
	}
	for {
		o, first := p.join(neighbour)
		if first {
			seen, conn, err := p.askSeen(ctx, from, neighbour)
			p.answered(neighbour, o, seen, conn, err)
		}
		select {
		case <-o.over:
		case <-ctx.Done():
			err = context.Cause(ctx)
		}
		if err == nil {
			err = p.outcome(o)
		}
		if err == nil {
			return o.seen, &share{leave: func() { p.leave(neighbour, o) }}, nil
		}
		p.leave(neighbour, o)
		if first || ctx.Err() != nil {
			return netip.AddrPort{}, nil, err
		}
		err = nil // another caller's failure or deadline does not rule out our own attempt
	}
}

// answered sets the result of an observation. It removes a failed one, so that no caller joins
// it.
func (p *ListenPort) answered(neighbour netip.AddrPort, o *tcpObservation, seen netip.AddrPort, conn net.Conn, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	o.seen, o.conn, o.err = seen, conn, err
	if err != nil {
		delete(p.observations, neighbour)
	}
	close(o.over)
}

func (p *ListenPort) outcome(o *tcpObservation) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return o.err
}

// join joins the observation by a neighbour, or makes one. first says that the caller made it.
func (p *ListenPort) join(neighbour netip.AddrPort) (o *tcpObservation, first bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	o = p.observations[neighbour]
	if first = o == nil; first {
		o = &tcpObservation{over: make(chan struct{})}
		p.observations[neighbour] = o
	}
	o.users++
	return o, first
}

// leave ends one caller's share of an observation. The last caller closes the connection, under
// the lock, so that no other connection with the same endpoints begins meanwhile.
func (p *ListenPort) leave(neighbour netip.AddrPort, o *tcpObservation) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if o.users--; o.users > 0 || o.conn == nil {
		return
	}
	reset(o.conn)
	delete(p.observations, neighbour)
}

// share is one caller's share of an observation.
type share struct {
	once  sync.Once
	leave func()
}

// Close implements io.Closer.
func (s *share) Close() error {
	s.once.Do(s.leave)
	return nil
}

// askSeen connects to a neighbour and requests the endpoint at which it observes us.
func (p *ListenPort) askSeen(ctx context.Context, from, neighbour netip.AddrPort) (seen netip.AddrPort, conn net.Conn, err error) {
	ctx, cancel := context.WithTimeout(ctx, observeTimeout)
	defer cancel()
	conn, err = p.Dial(ctx, from, neighbour)
	if err != nil {
		return seen, nil, err
	}
	// The end of ctx must end reading and writing too.
	defer context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })()
	if seen, err = stun.Ask(conn); err != nil {
		reset(conn)
		return seen, nil, fmt.Errorf("%v: %w: %w", neighbour, errNotObserved, errors.Join(err, context.Cause(ctx)))
	}
	return seen, conn, nil
}

// reset closes a connection so that its two endpoints can be used again at once. It may lose
// data, so the caller must have nothing in flight.
func reset(conn net.Conn) {
	if tcp, ok := conn.(interface{ SetLinger(sec int) error }); ok {
		_ = tcp.SetLinger(0) // without it they are blocked for a minute
	}
	_ = conn.Close()
}

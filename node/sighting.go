package node

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"time"
)

// sightTime is what asking a neighbour for our endpoint may take, if its caller sets no end
// sooner.
const sightTime = 5 * time.Second

var errNoSight = errors.New("the neighbour doesn't say what it sees")

// sighting is a connection by which a neighbour said under which endpoint it sees us. There
// can be one to each at a time, since all would have the same two ends: those who want to
// know at the same time share it.
type sighting struct {
	over chan struct{} // closes when seen, conn and err are set
	seen netip.AddrPort

	// Guarded by door.mu, as is its place in door.sightings.
	users int
	conn  net.Conn
	err   error
}

// Observed implements punch.Door.
func (d *door) Observed(ctx context.Context, neighbour netip.AddrPort) (seen netip.AddrPort, held io.Closer, err error) {
	from, err := d.way(neighbour)
	if err != nil {
		return seen, nil, err
	}
	for {
		s, first := d.sight(neighbour)
		if first {
			seen, conn, err := d.ask(ctx, from, neighbour)
			d.saw(neighbour, s, seen, conn, err)
		}
		select {
		case <-s.over:
		case <-ctx.Done():
			err = context.Cause(ctx)
		}
		if err == nil {
			err = d.outcome(s)
		}
		if err == nil {
			return s.seen, &hold{leave: func() { d.leave(neighbour, s) }}, nil
		}
		d.leave(neighbour, s)
		if first || ctx.Err() != nil {
			return netip.AddrPort{}, nil, err
		}
		err = nil // whoever asked first had no luck, or no time: that says nothing of us
	}
}

// saw ends the asking. What came to nothing is joined by nobody more.
func (d *door) saw(neighbour netip.AddrPort, s *sighting, seen netip.AddrPort, conn net.Conn, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	s.seen, s.conn, s.err = seen, conn, err
	if err != nil {
		delete(d.sightings, neighbour)
	}
	close(s.over)
}

func (d *door) outcome(s *sighting) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return s.err
}

// sight joins the sighting by a neighbour, or begins one.
func (d *door) sight(neighbour netip.AddrPort) (s *sighting, first bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	s = d.sightings[neighbour]
	if first = s == nil; first {
		s = &sighting{over: make(chan struct{})}
		d.sightings[neighbour] = s
	}
	s.users++
	return s, first
}

// leave ends a share in a sighting. The last one closes the connection, while nobody can
// begin another that would have the same ends.
func (d *door) leave(neighbour netip.AddrPort, s *sighting) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if s.users--; s.users > 0 || s.conn == nil {
		return
	}
	abort(s.conn)
	delete(d.sightings, neighbour)
}

// hold is one share in a sighting.
type hold struct {
	once  sync.Once
	leave func()
}

// Close implements io.Closer.
func (h *hold) Close() error {
	h.once.Do(h.leave)
	return nil
}

// ask connects to a neighbour and asks what it sees.
func (d *door) ask(ctx context.Context, from, neighbour netip.AddrPort) (seen netip.AddrPort, conn net.Conn, err error) {
	ctx, cancel := context.WithTimeout(ctx, sightTime)
	defer cancel()
	conn, err = d.dial(ctx, from, neighbour)
	if err != nil {
		return seen, nil, err
	}
	// The end of ctx has to reach what reads and writes.
	defer context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })()
	if seen, err = askBinding(conn); err != nil {
		abort(conn)
		return seen, nil, fmt.Errorf("%v: %w", neighbour, errors.Join(err, context.Cause(ctx)))
	}
	return seen, conn, nil
}

// askBinding sends a request and reads the answer.
func askBinding(conn net.Conn) (seen netip.AddrPort, err error) {
	request, err := newBinding()
	if err != nil {
		return seen, err
	}
	if _, err := conn.Write(request); err != nil {
		return seen, err
	}
	answer := make([]byte, bindingLength, maxBinding)
	if _, err := io.ReadFull(conn, answer); err != nil {
		return seen, err
	}
	rest, ok := bindingRest(answer)
	if !ok {
		return seen, errNoSight
	}
	answer = answer[:bindingLength+rest]
	if _, err := io.ReadFull(conn, answer[bindingLength:]); err != nil {
		return seen, err
	}
	if seen, ok = readBinding(answer, request); !ok {
		return seen, errNoSight
	}
	return seen, nil
}

// abort closes a connection so that its two ends are free for another one at once: there
// is nothing on its way that would have to arrive.
func abort(conn net.Conn) {
	if tcp, ok := conn.(interface{ SetLinger(sec int) error }); ok {
		_ = tcp.SetLinger(0) // else they are free in a minute
	}
	_ = conn.Close()
}

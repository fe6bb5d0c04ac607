package discovery

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/ethereum/go-ethereum/p2p/discover"
	"github.com/ethereum/go-ethereum/p2p/dnsdisc"
	"github.com/ethereum/go-ethereum/p2p/enode"
	"github.com/ethereum/go-ethereum/p2p/netutil"
)

// session contains what one incarnation has opened: the library's transports on ports of the mux,
// and an iterator for each source. Opening and closing take long, so both happen in goroutines; a
// session may be closed while it is being opened.
type session struct {
	ctx    context.Context
	cancel context.CancelFunc
	lanes  []*lane

	mu     sync.Mutex
	closed bool
	ports  []*port
	its    []enode.Iterator // of the lanes, in the same order

	v4 *discover.UDPv4 // nil: off. Other code reads both after *opened.
	v5 *discover.UDPv5
}

var (
	errClosed    = errors.New("discovery: closed")
	errNoAddress = errors.New("the host name has no address")
)

func newSession(lanes []*lane) *session {
	s := &session{lanes: lanes}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s
}

// open starts the configured transports and sources, and returns the result. After an error, close
// ends those that are already running. spawn starts the goroutines of TALKREQ handlers.
func (s *session) open(h *shared, spawn func(func())) (report *opened) {
	report = &opened{session: s}
	restrict := (*netutil.Netlist)(nil)
	if len(h.NetRestrict) > 0 {
		list := netutil.Netlist(h.NetRestrict)
		restrict = &list
	}
	config := func(name string, boot []*enode.Node) discover.Config {
		nodes, missing, lookAgain := h.locate(s.ctx, boot)
		report.missing = append(report.missing, missing...)
		report.lookAgain = report.lookAgain || lookAgain
		return discover.Config{
			PrivateKey: h.Key, NetRestrict: restrict, Bootnodes: nodes,
			Log: libraryLog(h.Logger.With("part", name)), Clock: newLibraryClock(h.Clock),
		}
	}
	for _, l := range s.lanes {
		var (
			it  enode.Iterator
			err error
		)
		switch l.name {
		case SourceV4:
			c := config(l.name, h.Bootnodes)
			err = s.attach(h.mux, protocolV4, func(p *port) (err error) {
				if s.v4, err = discover.ListenV4(p, h.Local, c); err == nil {
					it = s.v4.RandomNodes()
				}
				return err
			})
		case SourceV5:
			c := config(l.name, h.BootnodesV5)
			err = s.attach(h.mux, protocolV5, func(p *port) (err error) {
				if s.v5, err = discover.ListenV5(p, h.Local, c); err != nil {
					return err
				}
				for protocol, handle := range h.Talk {
					s.v5.RegisterTalkHandler(protocol, h.talker(handle, spawn))
				}
				it = s.v5.RandomNodes()
				return nil
			})
		case SourceDNS:
			c := dnsdisc.Config{Resolver: &h.lists, Logger: libraryLog(h.Logger.With("part", l.name))}
			it, err = dnsdisc.NewClient(c).NewIterator(h.DNS...)
		}
		if err != nil {
			report.err = fmt.Errorf("discovery %s: %w", l.name, err)
			return report
		}
		s.mu.Lock()
		s.its = append(s.its, it)
		s.mu.Unlock()
	}
	return report
}

// attach creates a port and starts a transport on it.
func (s *session) attach(m *mux, which protocol, listen func(*port) error) error {
	p := newPort(m)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return errClosed
	}
	s.ports = append(s.ports, p)
	if err := listen(p); err != nil {
		return err
	}
	m.ports[which].Store(p)
	return nil
}

// run searches for one node each time the lane has credit, until the session is closed.
func (s *session) run(l *lane, it enode.Iterator, send func(any)) {
	for {
		select {
		case <-l.credit:
		case <-s.ctx.Done():
			return
		}
		if !it.Next() {
			if s.ctx.Err() == nil {
				send(&exhausted{session: s, lane: l})
			}
			return
		}
		send(&yielded{session: s, lane: l, node: it.Node()})
	}
}

// record requests a node's record. It returns nil if there is no answer.
func (s *session) record(l *lane, n *enode.Node) *enode.Node {
	var (
		got *enode.Node
		err error
	)
	switch {
	case l.name == SourceV5:
		got, err = s.v5.RequestENR(n)
	case s.v4 != nil:
		got, err = s.v4.RequestENR(n)
	}
	if err != nil {
		return nil // counted as RefusedNoRecord
	}
	return got
}

// resolve searches for a newer record of a node. It returns nil if there is none.
func (s *session) resolve(n *enode.Node) *enode.Node {
	news := func(r *enode.Node) bool {
		_, had := n.TCPEndpoint()
		_, has := r.TCPEndpoint()
		return r.Seq() > n.Seq() || has && !had
	}
	if s.v4 != nil {
		if r := s.v4.Resolve(n); news(r) {
			return r
		}
	}
	if s.v5 != nil && s.ctx.Err() == nil {
		if r := s.v5.Resolve(n); news(r) {
			return r
		}
	}
	return nil
}

// close closes the session. It waits for the library's goroutines, some of which check only every
// half second whether they must end.
func (s *session) close() {
	s.cancel()
	s.mu.Lock()
	defer s.mu.Unlock() // open either finishes before this or sees closed
	s.closed = true
	for _, p := range s.ports {
		_ = p.Close() // never fails
	}
	for _, it := range s.its {
		it.Close()
	}
	if s.v4 != nil {
		s.v4.Close()
	}
	if s.v5 != nil {
		s.v5.Close()
	}
}

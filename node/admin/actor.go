package admin

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/ethereum/go-ethereum/rpc"
	"golang.org/x/sync/semaphore"

	"github.com/troupe-p2p/troupe/actors/supervise"
)

// service is the actor. Each incarnation has its own session.
type service struct {
	cfg     Config
	sockets *Sockets
	session *session
}

// Props makes the Props of the actor, which serves on the sockets.
func Props(sockets *Sockets, opts ...actor.PropsOption) *actor.Props {
	cfg := sockets.cfg
	return supervise.PropsOf(func() actor.Actor { return &service{cfg: cfg, sockets: sockets} }, cfg.Journal, opts...)
}

func (a *service) Receive(ctx actor.Context) {
	switch msg := ctx.Message().(type) {
	case *actor.Started:
		a.start(ctx)
	case *Changed:
		a.renew()
	case *acceptFailed:
		// Usually the process is out of file descriptors, which the operator must fix.
		a.cfg.Log.Warn("accepting connections failed", "addr", msg.on, "err", msg.err)
	case *actor.Restarting, *actor.Stopping:
		a.stop()
	}
}

func (a *service) start(ctx actor.Context) {
	a.renewed(newSession(&a.sockets.counters))
	open, err := a.sockets.take()
	if err != nil {
		panic(err) // the supervisor tries again later; the journal has the error
	}
	s, root, self := a.session, ctx.ActorSystem().Root, ctx.Self()
	s.listening = open
	if open.ipc != nil {
		a.cfg.Log.Info("serving IPC", "path", a.cfg.IPC)
		supervise.Go(root, self, func() { s.serveIPC(open.ipc, root, self) })
	}
	if open.web != nil {
		a.cfg.Log.Info("serving HTTP", "addr", open.web.Addr(), "http", a.cfg.HTTP.HTTP, "websocket", a.cfg.HTTP.WebSocket,
			"namespaces", a.cfg.HTTP.namespaces())
		s.http = newWeb(s, *a.cfg.HTTP).server(a.cfg.Log)
		supervise.Go(root, self, func() {
			if err := s.http.Serve(limit(open.web, &a.sockets.counters)); !errors.Is(err, http.ErrServerClosed) {
				panic(fmt.Errorf("serve HTTP: %w", err))
			}
		})
	}
}

// renew serves the current APIs to new connections.
func (a *service) renew() {
	if a.session != nil {
		a.renewed(a.session)
	}
}

func (a *service) renewed(s *session) {
	apis := a.cfg.APIs()
	all, err := NewServer(apis, nil)
	if err != nil {
		panic(err) // impossible: the node has checked the APIs
	}
	s.all.Store(all)
	if a.cfg.HTTP != nil {
		some, err := NewServer(apis, a.cfg.HTTP.namespaces())
		if err != nil {
			panic(err)
		}
		s.some.Store(some)
	}
	a.session = s
}

func (a *service) stop() {
	if a.session != nil {
		a.session.close()
		a.session = nil
	}
}

// session is the open sockets and connections of one incarnation. close ends its goroutines.
type session struct {
	all, some atomic.Pointer[rpc.Server] // all for IPC, some for TCP
	bytes     *semaphore.Weighted
	within    time.Duration // timeout for a client to read one text
	listening *listeners
	http      *http.Server
	quit      chan struct{}
	counters  *counters

	mu      sync.Mutex
	streams map[*stream]struct{} // nil after close
}

func newSession(c *counters) *session {
	return &session{
		counters: c, bytes: semaphore.NewWeighted(maxBytes), within: writeTimeout, quit: make(chan struct{}), streams: map[*stream]struct{}{},
	}
}

func (s *session) close() {
	close(s.quit)
	if s.http != nil {
		_ = s.http.Close() // before its listener, whose end it would report as a failure
	}
	if s.listening != nil {
		s.listening.close()
	}
	s.mu.Lock()
	open := s.streams
	s.streams = nil
	s.mu.Unlock()
	for st := range open {
		_ = st.Close() // ends its reader
	}
}

func (s *session) stream(c carrier) *stream { return newStream(c, s.bytes, s.within) }

// serve serves one connection until it ends.
func (s *session) serve(server *rpc.Server, st *stream) {
	defer st.Close()
	s.mu.Lock()
	if s.streams == nil {
		s.mu.Unlock()
		return
	}
	s.streams[st] = struct{}{}
	s.mu.Unlock()
	s.counters.served.Add(1)
	s.counters.open.Add(1)
	defer s.counters.open.Add(-1)
	server.ServeCodec(rpc.NewCodec(st), 0)
	s.mu.Lock()
	delete(s.streams, st)
	s.mu.Unlock()
}

// acceptPause is the pause of a listener after an error.
const acceptPause = 200 * time.Millisecond

// serveIPC accepts connections until the listener is closed. If all places are taken, a new
// connection gets the spare one, after a visit at most.
func (s *session) serveIPC(ln net.Listener, root *actor.RootContext, self *actor.PID) {
	p := newPlaces(maxConns, true, &s.counters.evicted)
	reported := false
	for {
		conn, err := ln.Accept()
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil:
			if !reported {
				supervise.Send(root, self, &acceptFailed{on: ln.Addr(), err: err})
			}
			reported = true
			if !s.pause(acceptPause) {
				return
			}
			continue
		}
		reported = false
		st := s.stream(newLine(conn))
		if !p.await(st, s.quit) {
			_ = st.Close() // it was never used
			continue
		}
		supervise.Go(root, self, func() {
			defer p.leave(st)
			s.serve(s.all.Load(), st)
		})
	}
}

// pause waits for d. It returns false if the session ends first.
func (s *session) pause(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-s.quit:
		return false
	}
}

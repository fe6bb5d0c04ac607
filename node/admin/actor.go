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

// desk is the actor. Each incarnation has a session of its own.
type desk struct {
	cfg     Config
	sockets *Sockets
	session *session
}

// Props makes the Props of the actor, which serves on these sockets.
func Props(sockets *Sockets, opts ...actor.PropsOption) *actor.Props {
	cfg := sockets.cfg
	return supervise.PropsOf(func() actor.Actor { return &desk{cfg: cfg, sockets: sockets} }, cfg.Journal, opts...)
}

func (d *desk) Receive(ctx actor.Context) {
	switch msg := ctx.Message().(type) {
	case *actor.Started:
		d.start(ctx)
	case *Changed:
		d.renew()
	case *acceptFailed:
		// Out of descriptors, as a rule: the operator has to do something about it.
		d.cfg.Log.Warn("can't accept connections", "addr", msg.on, "err", msg.err)
	case *actor.Restarting, *actor.Stopping:
		d.stop()
	}
}

func (d *desk) start(ctx actor.Context) {
	d.renewed(newSession())
	open, err := d.sockets.take()
	if err != nil {
		panic(err) // tried again after a while; the journal says why
	}
	s, root, self := d.session, ctx.ActorSystem().Root, ctx.Self()
	s.listening = open
	if open.ipc != nil {
		d.cfg.Log.Info("serving IPC", "path", d.cfg.IPC)
		supervise.Go(root, self, func() { s.serveIPC(open.ipc, root, self) })
	}
	if open.web != nil {
		d.cfg.Log.Info("serving HTTP", "addr", open.web.Addr(), "http", d.cfg.HTTP.HTTP, "websocket", d.cfg.HTTP.WebSocket,
			"namespaces", d.cfg.HTTP.namespaces())
		s.http = newWeb(s, *d.cfg.HTTP).server(d.cfg.Log)
		supervise.Go(root, self, func() {
			if err := s.http.Serve(limit(open.web)); !errors.Is(err, http.ErrServerClosed) {
				panic(fmt.Errorf("serve HTTP: %w", err))
			}
		})
	}
}

// renew serves what there is now to those who come from now on.
func (d *desk) renew() {
	if d.session != nil {
		d.renewed(d.session)
	}
}

func (d *desk) renewed(s *session) {
	apis := d.cfg.APIs()
	all, err := NewServer(apis, nil)
	if err != nil {
		panic(err) // the node has checked them
	}
	s.all.Store(all)
	if d.cfg.HTTP != nil {
		some, err := NewServer(apis, d.cfg.HTTP.namespaces())
		if err != nil {
			panic(err)
		}
		s.some.Store(some)
	}
	d.session = s
}

func (d *desk) stop() {
	if d.session != nil {
		d.session.close()
		d.session = nil
	}
}

// session is what one incarnation has open. Its goroutines end when it is closed.
type session struct {
	all, some atomic.Pointer[rpc.Server] // for IPC, and for what is asked by TCP
	bytes     *semaphore.Weighted
	within    time.Duration // that a client must take each text
	listening *listeners
	http      *http.Server
	quit      chan struct{}

	mu      sync.Mutex
	streams map[*stream]struct{} // nil once it is closed
}

func newSession() *session {
	return &session{
		bytes: semaphore.NewWeighted(maxBytes), within: writeTimeout, quit: make(chan struct{}), streams: map[*stream]struct{}{},
	}
}

func (s *session) close() {
	close(s.quit)
	if s.http != nil {
		_ = s.http.Close() // before its listener, the end of which it would take for a failure
	}
	if s.listening != nil {
		s.listening.close()
	}
	s.mu.Lock()
	open := s.streams
	s.streams = nil
	s.mu.Unlock()
	for st := range open {
		_ = st.Close() // its reader finds out
	}
}

// serve runs one connection to its end.
func (s *session) serve(server *rpc.Server, c carrier) {
	st := newStream(c, s.bytes, s.within)
	defer st.Close()
	s.mu.Lock()
	if s.streams == nil {
		s.mu.Unlock()
		return
	}
	s.streams[st] = struct{}{}
	s.mu.Unlock()
	server.ServeCodec(rpc.NewCodec(st), 0)
	s.mu.Lock()
	delete(s.streams, st)
	s.mu.Unlock()
}

// acceptPause is how long a listener rests after an error.
const acceptPause = 200 * time.Millisecond

// serveIPC accepts until the listener is closed. Whoever comes when all places are taken is
// sent away at once, so that he is not left to wait for nothing.
func (s *session) serveIPC(ln net.Listener, root *actor.RootContext, self *actor.PID) {
	places := make(chan struct{}, maxConns)
	told := false
	for {
		conn, err := ln.Accept()
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil:
			if !told {
				supervise.Send(root, self, &acceptFailed{on: ln.Addr(), err: err})
			}
			told = true
			if !s.pause(acceptPause) {
				return
			}
			continue
		}
		told = false
		select {
		case places <- struct{}{}:
			supervise.Go(root, self, func() {
				defer func() { <-places }()
				s.serve(s.all.Load(), newLine(conn))
			})
		default:
			sendAway(conn)
		}
	}
}

// sendAway says why. It waits for nobody: what it writes fits into the socket's buffer.
func sendAway(conn net.Conn) {
	st := newStream(newLine(conn), semaphore.NewWeighted(maxBytes), writeTimeout)
	st.refuse(nil, fmt.Sprintf("%d connections are open already", maxConns))
	_ = st.Close() // nothing depends on it
}

// pause waits, unless the session ends first.
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

package admin

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"
)

// limited is a listener that accepts at most maxConns connections at a time. At the limit, one
// that rests makes room. If none does within placeWait, new connections get an error.
type limited struct {
	net.Listener
	places   *places
	counters *counters
	closed   chan struct{}
	once     sync.Once

	mu      sync.Mutex
	turned  map[net.Conn]struct{} // connections that get the error; nil after Close
	turning sync.WaitGroup
}

func limit(ln net.Listener, c *counters) net.Listener {
	return &limited{
		Listener: ln, places: newPlaces(maxConns, false, &c.evicted), counters: c,
		closed: make(chan struct{}), turned: map[net.Conn]struct{}{},
	}
}

func (l *limited) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		c := &webConn{Conn: conn, places: l.places, waits: true, since: time.Now()}
		if l.places.await(c, l.closed) {
			return c, nil
		}
		l.counters.rejected.Add(1)
		l.turnAway(conn)
	}
}

// turnAway answers a connection that has no place, without waiting for it. It only closes one of
// too many.
func (l *limited) turnAway(conn net.Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.turned == nil || len(l.turned) >= maxConns {
		_ = conn.Close() // it was never used
		return
	}
	l.turned[conn] = struct{}{}
	l.turning.Go(func() {
		refuseHTTP(conn)
		l.mu.Lock()
		delete(l.turned, conn)
		l.mu.Unlock()
		_ = conn.Close() // Close may have closed it
	})
}

// refuseHTTP answers the first request of a connection with an error, and reads on for a moment, so
// that a client that still sends gets it.
func refuseHTTP(conn net.Conn) {
	if conn.SetDeadline(time.Now().Add(linger)) != nil {
		return // it is closed
	}
	if _, err := conn.Read(make([]byte, maxHeader)); err != nil {
		return // a client that sends nothing expects no answer
	}
	text := tooManyConnections().answer()
	_, err := fmt.Fprintf(conn, "HTTP/1.1 %d %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\nRetry-After: 1\r\nConnection: close\r\n\r\n%s",
		http.StatusServiceUnavailable, http.StatusText(http.StatusServiceUnavailable), len(text), text)
	if half, ok := conn.(interface{ CloseWrite() error }); ok && err == nil && half.CloseWrite() == nil {
		_, _ = io.Copy(io.Discard, conn) // ends with the client, or at the deadline
	}
}

// Close ends also the connections that get the error.
func (l *limited) Close() error {
	l.once.Do(func() { close(l.closed) })
	err := l.Listener.Close()
	l.mu.Lock()
	for conn := range l.turned {
		_ = conn.Close() // its client may have closed it
	}
	l.turned = nil
	l.mu.Unlock()
	l.turning.Wait()
	return err
}

package punch

import (
	"net"
	"sync"
	"time"

	"github.com/troupe-p2p/troupe/actors/supervise"
)

// handoverTime is how long a connection waits for its taker.
const handoverTimeout = 3 * time.Second

// Handover is a connection on its way from one actor to another. If the other is gone, or
// too late, it is closed: a message to nobody must not keep it open.
type Handover struct {
	mu    sync.Mutex
	conn  net.Conn
	timer supervise.Timer
}

// NewHandover has a connection wait for its taker.
func NewHandover(clock supervise.Clock, conn net.Conn) *Handover {
	h := &Handover{conn: conn}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.timer = clock.AfterFunc(handoverTimeout, h.Drop)
	return h
}

// Take gives the connection, once; nil: it is too late.
func (h *Handover) Take() net.Conn {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.timer.Stop()
	conn := h.conn
	h.conn = nil
	return conn
}

// Drop closes the connection unless it was taken.
func (h *Handover) Drop() {
	if conn := h.Take(); conn != nil {
		_ = conn.Close() // it is of no use
	}
}

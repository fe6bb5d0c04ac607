package punch

import (
	"net"
	"sync"
	"time"

	"github.com/troupe-p2p/troupe/actors/supervise"
)

// handoverTimeout is how long a connection waits to be taken.
const handoverTimeout = 3 * time.Second

// Handover is a connection on its way from one actor to another. It is closed if the other actor does not take
// it in time, so that a message to a stopped actor does not keep it open.
type Handover struct {
	mu    sync.Mutex
	conn  net.Conn
	timer supervise.Timer
}

// NewHandover returns a Handover that owns conn until it is taken. It closes conn after three seconds unless it is taken.
func NewHandover(clock supervise.Clock, conn net.Conn) *Handover {
	h := &Handover{conn: conn}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.timer = clock.AfterFunc(handoverTimeout, h.Drop)
	return h
}

// Take returns the connection to the first caller, which then owns it. It returns nil if the connection was
// taken before, or closed.
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
		_ = conn.Close() // the connection is not used any more
	}
}

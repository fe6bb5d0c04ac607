package admin

import (
	"bytes"
	"errors"
	"net"
	"os"
	"time"
)

// textConn is a connection on which texts come. Between two texts its client may be silent.
// Amid a text, Read fails with errSlow after a silence, or when the text takes too long.
type textConn struct {
	net.Conn
	began time.Time // the text; zero between two texts
	until time.Time // when to read no longer; zero: as the texts allow
}

// expect says that the next text follows. begun says that a part of it was read before.
func (c *textConn) expect(begun bool) {
	c.began = time.Time{}
	if begun {
		c.began = time.Now()
	}
}

// linger is how long a connection that ends reads on. A client that still writes then gets the
// error that ends it, instead of an error of its own write.
const linger = 2 * time.Second

// readOn says that the connection ends, and what is read is dropped.
func (c *textConn) readOn() { c.until = time.Now().Add(linger) }

func (c *textConn) Read(p []byte) (int, error) {
	deadline := c.until
	if deadline.IsZero() {
		deadline = textDeadline(c.began, time.Now())
	}
	if err := c.SetReadDeadline(deadline); err != nil {
		return 0, err
	}
	n, err := c.Conn.Read(p)
	if c.began.IsZero() && len(withoutSpace(p[:n])) > 0 {
		c.began = time.Now()
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		err = errSlow
	}
	return n, err
}

// textDeadline returns when the next bytes of a text that began at began must have come. It is
// zero between two texts.
func textDeadline(began, now time.Time) time.Time {
	if began.IsZero() {
		return began
	}
	next, end := now.Add(silence), began.Add(textTimeout)
	if next.Before(end) {
		return next
	}
	return end
}

// withoutSpace removes the space before a JSON text.
func withoutSpace(text []byte) []byte { return bytes.TrimLeft(text, " \t\r\n") }

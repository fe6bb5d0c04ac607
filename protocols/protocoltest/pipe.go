package protocoltest

import (
	"io"
	"net"
	"net/netip"
	"time"
)

// DefaultBuffer is the default number of bytes that a connection of [Pipe] holds in each
// direction, about as many as a socket.
const DefaultBuffer = 64 << 10

// Pipe makes a connection in memory. Unlike that of net.Pipe it has a buffer in each direction,
// of so many bytes: a socket accepts bytes before they are read, and two nodes that write at the
// same time, as after a handshake, would otherwise wait for each other for ever. A full buffer
// blocks the writer, as TCP does.
//
// The ends have deadlines, half-closes (CloseWrite) and TCP addresses. Every wait uses a
// sync.Cond, which testing/synctest treats as blocked, so that a bubble's clock advances. Each
// end may have one reader and one writer at a time; the bytes of two concurrent writers may be
// interleaved.
//
// [NewCable] makes one whose network can be slow, or fail.
func Pipe(buffer int) (a, b net.Conn) {
	c := NewCable(buffer, addrA, addrB)
	return c.a, c.b
}

// The addresses of the ends are reserved for documentation (RFC 5737).
var (
	addrA = netip.MustParseAddrPort("192.0.2.1:30303")
	addrB = netip.MustParseAddrPort("192.0.2.2:30303")
)

// conn is one end.
type conn struct {
	in, out       *stream
	local, remote net.Addr
}

func (c *conn) Read(p []byte) (int, error)  { return c.in.read(p) }
func (c *conn) Write(p []byte) (int, error) { return c.out.write(p) }

// Close ends both directions. The other end can still read what was written.
func (c *conn) Close() error {
	c.in.closeRead()
	c.out.closeWrite(net.ErrClosed)
	return nil
}

// CloseWrite ends one direction, as (*net.TCPConn).CloseWrite does.
func (c *conn) CloseWrite() error {
	c.out.closeWrite(io.ErrClosedPipe)
	return nil
}

func (c *conn) LocalAddr() net.Addr  { return c.local }
func (c *conn) RemoteAddr() net.Addr { return c.remote }

func (c *conn) SetDeadline(t time.Time) error {
	if err := c.SetReadDeadline(t); err != nil {
		return err
	}
	return c.SetWriteDeadline(t)
}

func (c *conn) SetReadDeadline(t time.Time) error  { return c.in.setDeadline(&c.in.reader, t) }
func (c *conn) SetWriteDeadline(t time.Time) error { return c.out.setDeadline(&c.out.writer, t) }

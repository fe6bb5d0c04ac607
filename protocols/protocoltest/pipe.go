package protocoltest

import (
	"io"
	"net"
	"net/netip"
	"time"
)

// DefaultBuffer is how many bytes a connection of [Pipe] holds in each direction,
// unless told otherwise: about what a socket does.
const DefaultBuffer = 64 << 10

// Pipe makes a connection in memory. Unlike net.Pipe's it has a buffer, of so many
// bytes in each direction: a socket takes bytes that nobody reads yet, and two nodes
// that write at the same time, as after a handshake, would otherwise wait for each
// other for ever. A full buffer holds the writer back as TCP does.
//
// The ends have deadlines, half-closes (CloseWrite) and TCP addresses. Whoever waits
// does so on a sync.Cond, which testing/synctest takes for blocked, so that a
// bubble's clock goes on. Each end may have one reader and one writer at a time;
// what two writers write at once may be interleaved.
//
// [NewCable] makes one whose network can be slow, or fail.
func Pipe(buffer int) (a, b net.Conn) {
	c := NewCable(buffer, addrA, addrB)
	return c.a, c.b
}

// The ends have addresses that are reserved for documentation (RFC 5737).
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

// Close ends both directions. What was written can still be read by the other end.
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

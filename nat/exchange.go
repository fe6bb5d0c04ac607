package nat

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"time"
)

const (
	// firstWait is the wait before a request is sent again; it doubles. The protocols' own figures
	// (3 s for PCP) are not made for home networks.
	firstWait = 250 * time.Millisecond
	// maxDatagram is the maximum size of an answer.
	maxDatagram = 1500
)

// garbageError is an answer that does not parse. It counts only if no valid answer arrives, because
// any host can send to an open port.
type garbageError struct{ err error }

func (g *garbageError) Error() string { return "malformed answer: " + line(g.err.Error()) }
func (g *garbageError) Unwrap() error { return g.err }

// exchange sends a datagram repeatedly until parse reports that the answer has arrived, with or
// without an error, or ctx ends. request receives the local address because some requests contain
// it.
func exchange[T any](ctx context.Context, local net.Addr, to string, request func(own netip.Addr) []byte,
	parse func([]byte) (answer T, done bool, err error)) (none T, err error) {
	conn, err := (&net.Dialer{LocalAddr: local}).DialContext(ctx, "udp4", to)
	if err != nil {
		return none, err
	}
	defer func() { _ = conn.Close() }()
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	own, _ := conn.LocalAddr().(*net.UDPAddr)
	datagram := request(own.AddrPort().Addr().Unmap())
	var garbage error
	buf := make([]byte, maxDatagram)
	for wait := firstWait; ctx.Err() == nil; wait *= 2 {
		if _, err := conn.Write(datagram); err != nil {
			return none, firstOf(garbage, err)
		}
		_ = conn.SetReadDeadline(time.Now().Add(wait))
		if ctx.Err() != nil {
			break // ctx may have ended before SetReadDeadline, which then undid its effect
		}
		for {
			n, err := conn.Read(buf)
			if err != nil {
				var ne net.Error
				if errors.As(err, &ne) && ne.Timeout() {
					break
				}
				return none, firstOf(garbage, err)
			}
			answer, done, err := parse(buf[:n])
			if done {
				return answer, err
			}
			if err != nil {
				garbage = &garbageError{err}
			}
		}
	}
	return none, firstOf(garbage, ctx.Err())
}

// firstOf returns the error with which an exchange ends: a malformed answer came before the end.
func firstOf(garbage, end error) error {
	if garbage != nil {
		return garbage
	}
	return end
}

// localUDP returns the address to send from; nil lets the system choose.
func localUDP(ip netip.Addr) net.Addr {
	if !ip.IsValid() {
		return nil
	}
	return net.UDPAddrFromAddrPort(netip.AddrPortFrom(ip, 0))
}

package punch

import (
	"context"
	"io"
	"net"
	"net/netip"
	"time"

	"github.com/ethereum/go-ethereum/p2p/enode"
)

// Line is discovery v5 as hole punching uses it. Its methods are safe from any goroutine. Those that return an
// error block for a round trip, except Send, and fail at once while discovery is down.
type Line interface {
	// Talk sends a TALKREQ to a node at its UDP endpoint and returns the answer. The answer is empty if the
	// node does not support the protocol.
	Talk(to *enode.Node, protocol string, request []byte) ([]byte, error)
	// Ping returns this node's endpoint as the other node sees it.
	Ping(to *enode.Node) (observed netip.AddrPort, err error)
	// Record asks a node for its record.
	Record(of *enode.Node) (*enode.Node, error)
	// Neighbours returns the nodes in the table.
	Neighbours() []*enode.Node
	// Known returns a node of the table or of the node database, and nil if it is in neither.
	Known(id enode.ID) *enode.Node
	// Learn adds a node that is known to be live to the table, if there is room.
	Learn(n *enode.Node)
	// Send sends a datagram from the socket of discovery.
	Send(to netip.AddrPort, datagram []byte) error
}

// TCPPort is the listening TCP port as hole punching uses it. Its methods are safe from any goroutine.
type TCPPort interface {
	// Observed connects from the listening port to a neighbour's TCP port and returns this node's endpoint
	// as the neighbour sees it. The connection stays open until held is closed, so that the NAT keeps its
	// binding.
	Observed(ctx context.Context, neighbour netip.AddrPort) (seen netip.AddrPort, held io.Closer, err error)
	// Open connects from the listening port after a delay. It tries again if the connection is refused,
	// until ctx ends. It also returns a connection that comes in from that endpoint, if that is first. It
	// accepts one as soon as it is called, because the other side's clock may be a little ahead.
	// With port 0 it dials nothing and waits for a connection from that address.
	Open(ctx context.Context, to netip.AddrPort, after time.Duration) (net.Conn, error)
	// Await exempts the next connection from that address, for ten seconds, from the limits for
	// strangers. It comes from a neighbour that asks which endpoint this node sees, or from a caller.
	Await(from netip.Addr)
}

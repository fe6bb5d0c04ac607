package punch

import (
	"context"
	"io"
	"net"
	"net/netip"
	"time"

	"github.com/ethereum/go-ethereum/p2p/enode"
)

// Line is discovery v5 as hole punching uses it. Its methods block for a round trip where
// they return an error, are safe from any goroutine, and fail at once while discovery is
// down.
type Line interface {
	// Talk sends a TALKREQ to a node at its UDP endpoint and gives the answer, which is
	// empty from a node that doesn't know the protocol.
	Talk(to *enode.Node, protocol string, request []byte) ([]byte, error)
	// Ping gives our own endpoint as the node sees it.
	Ping(to *enode.Node) (observed netip.AddrPort, err error)
	// Record asks a node for its record.
	Record(of *enode.Node) (*enode.Node, error)
	// Neighbours are the nodes in the table.
	Neighbours() []*enode.Node
	// Known gives a node of the table or of the node database, nil if it is in neither.
	Known(id enode.ID) *enode.Node
	// Learn takes a node that is known to be live into the table, if there is room.
	Learn(n *enode.Node)
	// Send sends a datagram from the socket of discovery.
	Send(to netip.AddrPort, datagram []byte) error
}

// Door is the listening TCP port as hole punching uses it. Its methods are safe from any
// goroutine.
type TCPPort interface {
	// Observed connects from the listening port to a neighbour's TCP port and gives our
	// endpoint as the neighbour sees it. The connection is kept until held is closed, so that the NAT
	// keeps its binding.
	Observed(ctx context.Context, neighbour netip.AddrPort) (seen netip.AddrPort, held io.Closer, err error)
	// Open connects from the listening port after a while, and again when that is refused, until
	// ctx ends. A connection that comes in from there is as good, whichever comes first, from the
	// call of Open on: the other side's clock may be a little ahead.
	// With port 0 nothing is dialed: one that comes in from that address is waited for.
	Open(ctx context.Context, to netip.AddrPort, after time.Duration) (net.Conn, error)
	// Await has the next connection from that address let in, for ten seconds: one of a
	// neighbour that wants to know what we see, or of a caller.
	Await(from netip.Addr)
}

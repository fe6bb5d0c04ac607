package punch

import (
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"

	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/troupe-p2p/troupe/actors/supervise"
)

// Config is what hole punching needs from the node.
type Config struct {
	// ID is the node's own. Self returns the node's current record.
	ID   enode.ID
	Self func() *enode.Node
	// Line is discovery. TCPPort is the listening port; nil: calls connect by UDP only.
	Line    Line
	TCPPort TCPPort
	// OwnAddrs returns the machine's addresses. A node that is seen under one of them is behind no NAT.
	OwnAddrs func() []netip.Addr
	// OpenSecondPort opens a UDP port beside that of discovery. Neighbours use it to find out which kind
	// of NAT they are behind. Nil: the node offers none.
	OpenSecondPort func() (net.PacketConn, error)
	// Private lets endpoints on loopback and private networks take part. It is for tests, and for
	// networks without a NAT between the nodes.
	Private bool
	// Refuse reports whether hole punching ignores a node, because of its ID or its address: it is
	// banned, or outside of the networks that this node talks to. The ID is zero where it is not known.
	// Nil: no node is ignored. Refuse must be safe from any goroutine.
	Refuse func(id enode.ID, addr netip.Addr) bool
	// Inbound takes the connection of a caller, like one that the listener accepted. It must not block.
	Inbound func(net.Conn)
	// Changed is called when the State changes. It runs in the actor's turn and must not block.
	Changed func(State)

	Clock   supervise.Clock    // nil: the system's
	Rand    io.Reader          // nil: the system's; must be safe from any goroutine
	Journal *supervise.Journal // nil: lifecycles are not logged
	Logger  *slog.Logger       // nil: nothing is logged
}

// Why a call failed.
var (
	ErrUnsupported = errors.New("hole punching: the node does not support it")
	ErrNoNeighbour = errors.New("hole punching: no neighbour in common")
	ErrImpossible  = errors.New("hole punching: both NATs are address-dependent")
	ErrFiltered    = errors.New("hole punching: one NAT is address-dependent, the other filters by port")
	ErrSilent      = errors.New("hole punching: no packet from the node came through")
	ErrUDPOnly     = errors.New("hole punching: UDP came through; an address-dependent NAT prevents TCP")
	ErrTCP         = errors.New("hole punching: UDP came through, TCP did not")
	ErrCrossed     = errors.New("hole punching: the node's own call continues instead")
	ErrBusy        = errors.New("hole punching: too many calls in progress")
	ErrTried       = errors.New("hole punching: a recent call failed")
	ErrDown        = errors.New("hole punching: stopped")
)

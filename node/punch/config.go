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

// Config is what hole punching needs to know and to reach.
type Config struct {
	// ID is the node's, and Self its record by now.
	ID   enode.ID
	Self func() *enode.Node
	// Line is discovery. Door is the listening port; nil: UDP only.
	Line    Line
	TCPPort TCPPort
	// OwnAddrs gives the machine's addresses: who is seen under one of them is behind no NAT.
	OwnAddrs func() []netip.Addr
	// OpenOther opens another UDP port beside that of discovery, for neighbours to tell their
	// NAT's kind by. Nil: none is offered.
	OpenSecondPort func() (net.PacketConn, error)
	// Private lets endpoints on loopback and private networks take part, which is for tests
	// and networks without NAT between them.
	Private bool
	// Refuse says that a node has nothing to expect of us, for its address or itself: it is banned, or outside
	// of the networks that we talk to. The ID is zero where it isn't known. Nil: there is none such. It is
	// safe from any goroutine.
	Refuse func(id enode.ID, addr netip.Addr) bool
	// Inbound takes a connection of a caller, as one that was accepted. It must not block.
	Inbound func(net.Conn)
	// Changed is told when there is something new to know. It runs in the actor's turn and
	// must not block.
	Changed func(State)

	Clock   supervise.Clock    // nil: the system's
	Rand    io.Reader          // nil: the system's; safe from any goroutine
	Journal *supervise.Journal // nil: lifecycles are not logged
	Logger  *slog.Logger       // nil: nothing is logged
}

// Why a call came to nothing.
var (
	ErrUnsupported = errors.New("hole punching: the node doesn't take part")
	ErrNoNeighbour = errors.New("hole punching: no neighbour in common")
	ErrImpossible  = errors.New("hole punching: the NATs of both sides map by address")
	ErrFiltered    = errors.New("hole punching: one side's NAT maps by address, the other's filters by port")
	ErrSilent      = errors.New("hole punching: nothing came through")
	ErrUDPOnly     = errors.New("hole punching: UDP came through; a NAT that maps by address is in the way of TCP")
	ErrTCP         = errors.New("hole punching: UDP came through, TCP didn't")
	ErrCrossed     = errors.New("hole punching: the node's own call goes on")
	ErrBusy        = errors.New("hole punching: too many calls")
	ErrTried       = errors.New("hole punching: tried in vain a while ago")
	ErrDown        = errors.New("hole punching: stopped")
)

package listen

import (
	"context"
	"log/slog"
	"net"
	"net/netip"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/ethereum/go-ethereum/p2p/discover"

	"github.com/troupe-p2p/troupe/actors/supervise"
)

// SocketConfig is the configuration of the sockets.
type SocketConfig struct {
	// Addrs are the addresses to listen on, none for a node that only dials. An address without
	// an IP stands for all addresses, IPv4 and IPv6. With port 0, Open chooses a port that is
	// free for TCP and UDP, the same for all addresses.
	Addrs []netip.AddrPort
	// TCP opens a listener, see [TCP].
	TCP func(ctx context.Context, on netip.AddrPort) (net.Listener, error)
	// UDP opens a socket for discovery, see [UDP]. Nil: there is no discovery.
	UDP func(ctx context.Context, on netip.AddrPort) (discover.UDPConn, error)
	// UDPPort is the port of discovery. Zero: the number of the TCP port.
	UDPPort uint16
	Logger  *slog.Logger
}

// Config is the configuration of the actor.
type Config struct {
	Runtime supervise.Runtime
	Sockets *Sockets
	// Credits gets one value before each connection. GiveBack takes it out again if Accept did
	// not get the connection.
	Credits  chan<- struct{}
	GiveBack func()
	// Expected takes a connection that hole punching expects, and returns true. Otherwise it
	// returns false. It may be nil.
	Expected func(net.Conn) bool
	// Accept takes any other connection. It returns false when the node is stopping.
	Accept func(net.Conn) bool
	Logger *slog.Logger
}

// Props makes the actor.
func Props(c Config) *actor.Props {
	return c.Runtime.Props(func() actor.Actor { return &listener{c} })
}

package discovery

import (
	"context"
	"crypto/ecdsa"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/ethereum/go-ethereum/p2p/discover"
	"github.com/ethereum/go-ethereum/p2p/dnsdisc"
	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/troupe-p2p/troupe/actors/supervise"
)

// Config is what the actor needs to know and to reach.
type Config struct {
	// Key is the node's identity, and Local its record, which says the same.
	Key   *ecdsa.PrivateKey
	Local *enode.LocalNode
	// Conns are the UDP sockets, one as a rule: more than one where the node listens on
	// addresses that one socket can't serve. From a successful [Props] on they belong to
	// the actor, which closes them when it stops for good. None is needed if neither V4 nor
	// V5 is on.
	Conns []discover.UDPConn
	// V4 and V5 say which versions of discovery to run.
	V4, V5 bool
	// Bootnodes are the nodes that v4 asks first, BootnodesV5 those that v5 does. One may
	// have a DNS name in place of an address; it is looked up at the start, and left out
	// with a warning if it can't be.
	Bootnodes, BootnodesV5 []*enode.Node
	// DNS are the node lists to read, as enrtree:// URLs (EIP-1459).
	DNS []string
	// NetRestrict lists the networks to talk to. Empty: all.
	NetRestrict []netip.Prefix
	// Want gives what says whether a node is of use to the protocols that run now, by its
	// record. Where that is nil, all are, and nodes found by v4 are not asked for their record
	// first. Both run in the actor's turn: they must not block. Nil: all are at any time.
	Want func() func(*enode.Node) bool
	// Inbound is told of a packet from a public address that we had sent nothing to, at most
	// every few seconds: proof that we can be reached. It runs in the actor's turn. May be nil.
	Inbound func(from netip.AddrPort)
	// Line is for others to use v5 by. Nil: nobody does.
	Line *Line
	// Talk has what answers TALKREQs, by protocol.
	Talk map[string]TalkHandler
	// Sniff is asked about each datagram that looks like STUN, before anything else is done
	// with it, and true takes it. It runs in the socket's goroutine: it must be quick, and
	// keep no part of the datagram. Strangers get 128 of them a second through, 1024 at once. May
	// be nil.
	Sniff func(datagram []byte, from netip.AddrPort) bool

	// Resolver reads the DNS lists, and LookupHost the bootnodes' names. Both must return when
	// their context ends. Nil: the system's.
	Resolver   dnsdisc.Resolver
	LookupHost func(ctx context.Context, host string) ([]netip.Addr, error)

	Clock   supervise.Clock    // nil: the system's; go-ethereum's library uses that one anyway
	Journal *supervise.Journal // nil: nothing is logged
	Logger  *slog.Logger       // takes the library's own log, at debug level; nil: nothing
}

// Props makes the actor. It is to be spawned once, under a supervisor that restarts it
// (actors.Resident), and ended with [Leave]. The node database is the one of Config.Local;
// it must stay open until the actor has stopped.
func Props(c Config) (*actor.Props, error) {
	c, err := c.complete()
	if err != nil {
		return nil, err
	}
	s := newShared(c)
	if !c.Line.mux.CompareAndSwap(nil, s.mux) {
		return nil, errors.New("discovery: Config.Line belongs to another Props")
	}
	return supervise.PropsOf(func() actor.Actor { return &finder{shared: s} }, c.Journal), nil
}

func (c Config) complete() (Config, error) {
	switch {
	case c.Key == nil || c.Local == nil:
		return c, errors.New("discovery: neither Config.Key nor Config.Local may be missing")
	case c.Local.ID() != enode.PubkeyToIDV4(&c.Key.PublicKey):
		return c, errors.New("discovery: Config.Local is the record of another key")
	case !c.V4 && !c.V5 && len(c.DNS) == 0:
		return c, errors.New("discovery: there is nothing to search with: no v4, no v5 and no DNS list")
	case (c.V4 || c.V5) && len(c.Conns) == 0:
		return c, errors.New("discovery: Config.Conns is empty: v4 and v5 need a UDP socket")
	}
	for _, n := range append(append([]*enode.Node{}, c.Bootnodes...), c.BootnodesV5...) {
		if n.Hostname() == "" {
			if err := n.ValidateComplete(); err != nil {
				return c, fmt.Errorf("discovery: bootnode %v: %w", n, err)
			}
		}
	}
	if _, err := dnsdisc.NewClient(dnsdisc.Config{}).NewIterator(c.DNS...); err != nil {
		return c, fmt.Errorf("discovery: %w", err)
	}
	if c.Resolver == nil {
		c.Resolver = net.DefaultResolver
	}
	if c.LookupHost == nil {
		c.LookupHost = func(ctx context.Context, host string) ([]netip.Addr, error) {
			return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
		}
	}
	if c.Line == nil {
		c.Line = NewLine()
	}
	if c.Clock == nil {
		c.Clock = supervise.SystemClock
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c, nil
}

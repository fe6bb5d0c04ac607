package discovery

import (
	"context"
	"crypto/ecdsa"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/ethereum/go-ethereum/p2p/discover"
	"github.com/ethereum/go-ethereum/p2p/dnsdisc"
	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/troupe-p2p/troupe/actors/supervise"
	"github.com/troupe-p2p/troupe/nat/netaddr"
)

// Config contains the actor's settings and its connections to the node.
type Config struct {
	// Key is the node's identity. Local is its record, which must have the same identity.
	Key   *ecdsa.PrivateKey
	Local *enode.LocalNode
	// Conns are the UDP sockets. There is usually one, and more if the node listens on addresses
	// that one socket can't serve. After a successful [Props] they belong to the actor, which
	// closes them when it stops for good. None is needed if V4 and V5 are both off.
	Conns []discover.UDPConn
	// V4 and V5 select the versions of discovery to run.
	V4, V5 bool
	// Bootnodes are the first nodes for v4, BootnodesV5 those for v5. A bootnode may have a DNS
	// name instead of an address. The name is looked up at the start; if that fails, the bootnode
	// is skipped with a warning.
	Bootnodes, BootnodesV5 []*enode.Node
	// DNS contains the node lists to read, as enrtree:// URLs (EIP-1459).
	DNS []string
	// NetRestrict lists the allowed networks. Empty means all.
	NetRestrict []netip.Prefix
	// Want returns a predicate that reports from a node's record whether the running protocols can
	// use the node. If Want or the predicate is nil, all nodes are accepted, and nodes found by v4
	// are not asked for their record first. Both run in the actor's turn and must not block.
	Want func() func(*enode.Node) bool
	// Inbound is called when a packet arrives from a public address to which this node had sent
	// nothing, at most once every few seconds. Such a packet proves that the node is reachable.
	// Inbound runs in the actor's turn. It may be nil.
	Inbound func(from netip.AddrPort)
	// Line gives other code access to v5. It may be nil.
	Line *Line
	// Talk contains the handlers of TALKREQs, by protocol.
	Talk map[string]TalkHandler
	// Sniff is called for each datagram that looks like STUN, before any other processing. If it
	// returns true, it has consumed the datagram. It runs in the socket's goroutine: it must be
	// quick and must not retain the datagram. Datagrams from unknown senders are limited to 128 per
	// second, with a burst of 1024. It may be nil.
	Sniff func(datagram []byte, from netip.AddrPort) bool

	// Resolver reads the DNS lists, and LookupHost resolves the bootnodes' names. Both must return
	// when their context ends. Nil means the system's resolver.
	Resolver   dnsdisc.Resolver
	LookupHost func(ctx context.Context, host string) ([]netip.Addr, error)

	Clock   supervise.Clock    // nil: the system clock, which go-ethereum's library partly uses in any case
	Journal *supervise.Journal // nil: no log
	Logger  *slog.Logger       // also receives the library's log, at debug level; nil: no log
}

// Discovery is the handle of the actor. Its methods are safe from any goroutine.
type Discovery struct{ *shared }

// New makes the handle. It starts nothing. The error names a wrong setting.
func New(c Config) (*Discovery, error) {
	c, err := c.complete()
	if err != nil {
		return nil, err
	}
	s := newShared(c)
	if !c.Line.mux.CompareAndSwap(nil, s.mux) {
		return nil, errors.New("discovery: Config.Line is already used by another Discovery")
	}
	return &Discovery{s}, nil
}

// Props returns the actor's props. Spawn it once, under a supervisor that restarts it
// (supervise.Resident), and end it with [Leave]. The actor uses the node database of
// Config.Local, which must stay open until the actor has stopped.
func (d *Discovery) Props() *actor.Props {
	return supervise.PropsOf(func() actor.Actor { return &finder{shared: d.shared} }, d.Journal)
}

func (c Config) complete() (Config, error) {
	switch {
	case c.Key == nil || c.Local == nil:
		return c, errors.New("discovery: Config.Key and Config.Local are required")
	case c.Local.ID() != enode.PubkeyToIDV4(&c.Key.PublicKey):
		return c, errors.New("discovery: Config.Local is the record of another key")
	case !c.V4 && !c.V5 && len(c.DNS) == 0:
		return c, errors.New("discovery: no source is configured: no v4, no v5 and no DNS list")
	case (c.V4 || c.V5) && len(c.Conns) == 0:
		return c, errors.New("discovery: Config.Conns is empty: v4 and v5 need a UDP socket")
	}
	if err := CheckBootnodes(slices.Concat(c.Bootnodes, c.BootnodesV5)...); err != nil {
		return c, fmt.Errorf("discovery: %w", err)
	}
	if _, err := dnsdisc.NewClient(dnsdisc.Config{}).NewIterator(c.DNS...); err != nil {
		return c, fmt.Errorf("discovery: %w", err)
	}
	networks, err := netaddr.CanonicalNetworks(c.NetRestrict)
	if err != nil {
		return c, fmt.Errorf("discovery: NetRestrict: %w", err)
	}
	c.NetRestrict = networks
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

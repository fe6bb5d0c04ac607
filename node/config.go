package node

import (
	"context"
	"crypto/ecdsa"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	mathrand "math/rand/v2"
	"net"
	"net/netip"
	"runtime"
	"slices"
	"strings"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/troupe-p2p/troupe/actors"
	"github.com/troupe-p2p/troupe/actors/supervise"
	"github.com/troupe-p2p/troupe/nat"
	"github.com/troupe-p2p/troupe/nat/netaddr"
	"github.com/troupe-p2p/troupe/node/asynclog"
	"github.com/troupe-p2p/troupe/node/listen"
	"github.com/troupe-p2p/troupe/node/peers"
	"github.com/troupe-p2p/troupe/protocols"
)

// Clock and Timer are a node's source of time.
type (
	Clock = supervise.Clock
	Timer = supervise.Timer
)

// The defaults of a Config.
const (
	DefaultPort       = 30303
	DefaultMaxPeers   = 50
	DefaultMaxPending = 50
	// DefaultMaxDialRate is how many dials may begin within a second.
	DefaultMaxDialRate = 16

	// defaultMaxLoopback is how many peers on loopback addresses a node without a configured
	// limit may have in addition: networks of test nodes share one address.
	defaultMaxLoopback = 16384
)

// Config is everything that a node is given by the program that embeds it. The zero value
// of each field has a meaning. Only a key (or a data directory) and a protocol are required.
type Config struct {
	// Key is the node's identity. Nil: the key in DataDir, which is made if there is none.
	Key *ecdsa.PrivateKey
	// DataDir keeps the key, the node's record, the bans and the protocols' directories
	// (protocols.Env.Dir) over restarts. The node locks it, and keeps in memory what can't be
	// written there. Empty: nothing is kept.
	DataDir string
	// Name is the client name in the node's Hello. Empty: that of [ClientName].
	Name string

	// Listen are the addresses to accept connections on. Empty: the node only dials. An
	// address without an IP stands for all addresses, IPv4 and IPv6. With port 0 the node
	// chooses a port that is free for TCP and UDP, the same for all addresses.
	Listen []netip.AddrPort
	// NAT is how the node gets an address by which other nodes reach it: any, none, upnp,
	// pmp[:IP], pcp[:IP], extip:IP, extip:HOST or stun[:HOST:PORT], see nat.Parse. Empty: none, and the
	// node announces the addresses that it listens on.
	NAT string

	// Discovery is how the node finds other nodes, and is found by them. Nil, or with the
	// zero value: discovery is off.
	Discovery *Discovery
	// HolePunching is for nodes behind NATs. Neighbours on discovery v5 help with it.
	HolePunching HolePunching

	// Admin is where the node serves JSON-RPC. Zero: it serves none.
	Admin Admin

	// Specs are the protocols to offer, at least one. They can change while the node runs, see
	// [Node.AddProtocol].
	Specs []protocols.Spec

	// MaxPeers limits the links. Trusted nodes are admitted beyond it. Negative: only trusted
	// nodes are admitted. Zero: DefaultMaxPeers, and peers on loopback addresses don't count;
	// of those at most 16384 are admitted.
	MaxPeers int
	// MaxPeersPerIP limits the peers that share a public IPv4 address or IPv6 /64, and
	// MaxPeersPerNetwork those that share an IPv4 /24 or IPv6 /48. Static and trusted nodes
	// don't count. Zero: a tenth and a fifth of MaxPeers, but at least two. Negative: no limit.
	// Loopback and private networks have no limit.
	MaxPeersPerIP, MaxPeersPerNetwork int
	// DialRatio is the share of MaxPeers that the node dials itself if it has Candidates: one
	// in DialRatio, but at least the smaller of four and half of MaxPeers. The rest is for
	// inbound peers. After three minutes without an inbound peer, the node dials for the free
	// places too, except a quarter. Zero: DefaultDialRatio.
	DialRatio int
	// MaxDialRate limits the dials that begin within a second, those of static nodes included.
	// Zero: DefaultMaxDialRate.
	MaxDialRate int
	// Candidates are nodes to dial while there is room, from any source. A node may occur
	// repeatedly. The node closes the iterator when it stops. Nil: only static nodes are dialed.
	Candidates enode.Iterator
	// MaxPending limits the inbound handshakes in progress, and separately the dials. Zero:
	// DefaultMaxPending.
	MaxPending int
	// NetRestrict lists the networks that the node communicates with. Empty: all. An IPv6 network
	// contains no IPv4 address, unless it is written with IPv4-mapped addresses.
	NetRestrict []netip.Prefix
	// StaticNodes are kept connected: dialed until there is a link, and again when it ends.
	// A static node may have a DNS name in place of an address (enode.Node.WithHostname), and
	// several addresses if it is listed repeatedly: they are dialed in turn, up to eight. It needs
	// an address if there is no discovery. This node itself is left out, here and below.
	StaticNodes []*enode.Node
	// TrustedNodes are admitted also beyond MaxPeers.
	TrustedNodes []*enode.Node

	// PoolBytes limits the messages that are read and not yet handled, on all links together.
	// Zero: 256 MiB.
	PoolBytes int64

	// System runs the node's actors. Nodes may share it. Nil: the node makes its own.
	System *actor.ActorSystem
	// Logger receives the log; if System is nil, also protoactor's. The node never waits for it:
	// its handler runs in a goroutine, and lines that it does not take in time are dropped and
	// counted. What was logged before the end of the node is handled when Done closes, unless the
	// handler blocks. Nil: nothing is logged.
	Logger *slog.Logger
	// Clock is the source of time for redials, backoff and pings. Nil: the real time.
	Clock Clock
	// Rand is the source of the keys and nonces of handshakes. Many goroutines read it at
	// once. Nil: the system's.
	Rand io.Reader
	// Dial opens a connection. Nil: TCP.
	Dial func(ctx context.Context, to netip.AddrPort) (net.Conn, error)
	// DialFrom opens a connection from a listening address, for TCP hole punching: both nodes
	// dial at the same time, and one connection results, by simultaneous open or at a listener.
	// Nil: TCP where the system allows a port to be reused; no TCP hole punching if Dial or
	// ListenFunc is set.
	DialFrom func(ctx context.Context, from, to netip.AddrPort) (net.Conn, error)
	// ListenFunc opens a listener for each address of Listen. Nil: TCP.
	ListenFunc func(ctx context.Context, on netip.AddrPort) (net.Listener, error)
	// OwnAddrs returns the addresses of the machine. Nil: those of its interfaces, or none if
	// ListenFunc is set.
	OwnAddrs func() ([]netip.Addr, error)
	// LookupHost resolves the DNS names of static nodes, and the name of NAT extip:HOST. Nil: the system's resolver.
	LookupHost func(ctx context.Context, host string) ([]netip.Addr, error)
	// Chaos makes actors panic on purpose.
	Chaos []Chaos
}

// Version is the node's version, as in its client name.
const Version = "v0.1.0"

// ClientName returns a client name in the customary form:
// Troupe/identity/v0.1.0/linux-amd64/go1.26.8. identity may be empty.
func ClientName(identity string) string {
	parts := []string{"Troupe", identity, Version, runtime.GOOS + "-" + runtime.GOARCH, runtime.Version()}
	if identity == "" {
		parts = append(parts[:1], parts[2:]...)
	}
	return strings.Join(parts, "/")
}

func (c Config) withDefaults() Config {
	if c.Name == "" {
		c.Name = ClientName("")
	}
	if c.MaxPending <= 0 {
		c.MaxPending = DefaultMaxPending
	}
	if c.DialRatio <= 0 {
		c.DialRatio = peers.DefaultDialRatio
	}
	if c.MaxDialRate <= 0 {
		c.MaxDialRate = DefaultMaxDialRate
	}
	if c.PoolBytes <= 0 {
		c.PoolBytes = actors.DefaultPool
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	c.Logger = slog.New(asynclog.Wrap(c.Logger.Handler()))
	if c.Clock == nil {
		c.Clock = supervise.SystemClock
	}
	if c.Rand == nil {
		c.Rand = rand.Reader
	}
	if c.DialFrom == nil && c.Dial == nil && c.ListenFunc == nil && listen.Reusable {
		c.DialFrom = listen.DialFrom
	}
	if c.Dial == nil {
		c.Dial = listen.Dial
	}
	if networks, err := netaddr.CanonicalNetworks(c.NetRestrict); err == nil { // check reports the error
		c.NetRestrict = networks
	}
	c.Listen = slices.Clone(c.Listen)
	for i, on := range c.Listen {
		c.Listen[i] = netaddr.Unmap(on)
	}
	if c.OwnAddrs == nil && c.ListenFunc == nil {
		c.OwnAddrs = interfaceAddrs
	}
	if c.OwnAddrs == nil {
		c.OwnAddrs = func() ([]netip.Addr, error) { return nil, nil }
	}
	if c.ListenFunc == nil {
		c.ListenFunc = listen.TCP
	}
	if c.LookupHost == nil {
		c.LookupHost = func(ctx context.Context, host string) ([]netip.Addr, error) {
			return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
		}
	}
	return c
}

// looks reports whether the node looks for peers.
func (c Config) looks() bool { return c.Candidates != nil || c.Discovery.on() }

// limits returns the limits that MaxPeers, DialRatio and the limits per network result in.
func (c Config) limits() peers.Limits {
	l := peers.Limits{Peers: max(c.MaxPeers, 0)}
	if c.MaxPeers == 0 {
		l.Peers, l.Loopback = DefaultMaxPeers, defaultMaxLoopback
	}
	if c.looks() {
		l.Outbound = peers.DialShare(l.Peers, c.DialRatio)
	}
	l.PerHost, l.PerNetwork = peers.SharesFor(l.Peers)
	if c.MaxPeersPerIP != 0 {
		l.PerHost = c.MaxPeersPerIP
	}
	if c.MaxPeersPerNetwork != 0 {
		l.PerNetwork = c.MaxPeersPerNetwork
	}
	return l
}

func (c Config) check() error {
	if c.Key == nil && c.DataDir == "" {
		return errors.New("node config: no key and no data directory")
	}
	if len(c.Specs) == 0 {
		return errors.New("node config: no protocol")
	}
	if err := c.Discovery.check(); err != nil {
		return err
	}
	if _, err := nat.Parse(c.NAT); err != nil {
		return fmt.Errorf("node config: NAT: %w", err)
	}
	if _, err := netaddr.CanonicalNetworks(c.NetRestrict); err != nil {
		return fmt.Errorf("node config: NetRestrict: %w", err)
	}
	if c.HolePunching.Off && c.HolePunching.Private {
		return errors.New("node config: hole punching is off, but enabled for private networks")
	}
	return nil
}

// interfaceAddrs returns the addresses of the machine's interfaces.
func interfaceAddrs() ([]netip.Addr, error) {
	interfaces, err := net.InterfaceAddrs()
	var list []netip.Addr
	for _, a := range interfaces {
		if prefix, ok := a.(*net.IPNet); ok {
			if ip, ok := netip.AddrFromSlice(prefix.IP); ok {
				list = append(list, ip.Unmap())
			}
		}
	}
	return list, err
}

// randFrom makes a source of numbers in [0, 1) that is seeded once from r, because a
// configured source of randomness may be slow, or belong to a test. The source is for one
// goroutine at a time.
func randFrom(r io.Reader) func() float64 {
	var seed [16]byte
	if _, err := io.ReadFull(r, seed[:]); err != nil {
		return mathrand.Float64
	}
	source := mathrand.New(mathrand.NewPCG(binary.LittleEndian.Uint64(seed[:8]), binary.LittleEndian.Uint64(seed[8:])))
	return source.Float64
}

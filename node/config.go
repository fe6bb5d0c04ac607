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
	"strings"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/troupe-p2p/troupe/actors"
	"github.com/troupe-p2p/troupe/actors/supervise"
	"github.com/troupe-p2p/troupe/nat"
	"github.com/troupe-p2p/troupe/node/listen"
	"github.com/troupe-p2p/troupe/node/peers"
	"github.com/troupe-p2p/troupe/protocols"
)

// Clock and Timer are where a node's time comes from.
type (
	Clock = supervise.Clock
	Timer = supervise.Timer
)

// What a node does unless its Config says otherwise.
const (
	DefaultPort       = 30303
	DefaultMaxPeers   = 50
	DefaultMaxPending = 50
	// DefaultMaxDialRate is how many dials begin within a second.
	DefaultMaxDialRate = 16

	// defaultMaxLoopback is how many peers on this machine a node without a configured
	// limit has besides: networks of test nodes share one address.
	defaultMaxLoopback = 16384
)

// Config is everything that comes to a node from outside. The zero value of each field
// has a meaning; only a key (or a data directory) and a protocol are needed.
type Config struct {
	// Key is the node's identity. Nil: the one in DataDir, made there if need be.
	Key *ecdsa.PrivateKey
	// DataDir keeps the key, the node's record and the protocols' directories
	// (protocols.Env.Dir) over restarts. Empty: nothing is kept.
	DataDir string
	// Name is what the node tells others it is, see [ClientName], which is the default.
	Name string

	// Listen are the addresses to accept connections on; none: the node only dials. An
	// address without an IP stands for all, IPv4 and IPv6. Port 0 takes a number that is
	// free for TCP and UDP, the same for all addresses.
	Listen []netip.AddrPort
	// NAT says how the node gets an address that others reach it by: any, none, upnp,
	// pmp[:IP], pcp[:IP], extip:IP or stun[:HOST:PORT], see nat.Parse. Empty: none, and the
	// node announces the addresses that it listens on.
	NAT string

	// Discovery says how to look for other nodes, and be found. Nil, or one that is all
	// zero: not at all.
	Discovery *Discovery
	// HolePunching is for nodes behind NATs, with the help of others on discovery v5.
	HolePunching HolePunching

	// Admin says where the node is asked and commanded by JSON-RPC. Zero: nowhere.
	Admin Admin

	// Specs are the protocols to offer; at least one. They can change while the node runs, see
	// [Node.AddProtocol].
	Specs []protocols.Spec

	// MaxPeers limits the links; trusted nodes come on top. Negative: none but those. Zero:
	// DefaultMaxPeers, and peers on loopback addresses don't count, of which 16384 are let in.
	MaxPeers int
	// MaxPeersPerIP limits the peers that share a public IPv4 address or IPv6 /64, and
	// MaxPeersPerNetwork those that share an IPv4 /24 or IPv6 /48, static and trusted ones
	// aside. Zero: a tenth and a fifth of MaxPeers, but at least two. Negative: no limit.
	// Loopback and private networks have none.
	MaxPeersPerIP, MaxPeersPerNetwork int
	// DialRatio says which share of MaxPeers the node looks for itself if it has Candidates:
	// one in DialRatio, but no fewer than four or half of all. Others may have the rest; when
	// none has come for three minutes, it takes the places that are free, but for a quarter.
	// Zero: DefaultDialRatio.
	DialRatio int
	// MaxDialRate limits the dials that begin within a second, static nodes' included. Zero:
	// DefaultMaxDialRate.
	MaxDialRate int
	// Candidates are nodes to dial while there is room, from wherever they come; the same
	// may come again. The node closes it when it stops. Nil: only static nodes are dialed.
	Candidates enode.Iterator
	// MaxPending limits the inbound handshakes under way, and the dials likewise. Zero:
	// DefaultMaxPending.
	MaxPending int
	// NetRestrict lists the networks to talk to. Empty: all.
	NetRestrict []netip.Prefix
	// StaticNodes are kept connected: dialed until there is a link, and again when it ends.
	// One may have a DNS name in place of an address (enode.Node.WithHostname).
	StaticNodes []*enode.Node
	// TrustedNodes are let in also above MaxPeers.
	TrustedNodes []*enode.Node

	// PoolBytes caps what all links together hold of messages read and not yet handled.
	// Zero: 256 MiB.
	PoolBytes int64

	// System runs the node's actors, beside those of others. Nil: one of its own.
	System *actor.ActorSystem
	// Logger takes the log, protoactor's own included if System is nil. Nil: none.
	Logger *slog.Logger
	// Clock is the time by which the node redials, backs off and pings. Nil: the real one.
	Clock Clock
	// Rand feeds keys and nonces of handshakes, from many goroutines at once. Nil: the
	// system's.
	Rand io.Reader
	// Dial opens a connection. Nil: TCP.
	Dial func(ctx context.Context, to netip.AddrPort) (net.Conn, error)
	// DialFrom opens a connection that leaves from a listening address, which is how holes are
	// punched for TCP: both sides do so at the same time, and either the calls or the listeners
	// bring one connection about. Nil: TCP where the system lets a port be used again, and
	// nothing where Dial or ListenFunc are not TCP.
	DialFrom func(ctx context.Context, from, to netip.AddrPort) (net.Conn, error)
	// ListenFunc opens a listener for each address of Listen. Nil: TCP.
	ListenFunc func(ctx context.Context, on netip.AddrPort) (net.Listener, error)
	// OwnAddrs gives the addresses of the machine. Nil: those of its interfaces, or none where
	// ListenFunc is not TCP.
	OwnAddrs func() ([]netip.Addr, error)
	// LookupHost resolves the DNS names of static nodes. Nil: the system's resolver.
	LookupHost func(ctx context.Context, host string) ([]netip.Addr, error)
	// Chaos makes actors panic on purpose.
	Chaos []Chaos
}

// Version of the node, as its name tells it.
const Version = "v0.1.0"

// ClientName is what a node calls itself, in the form that is customary:
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

// looks says whether the node looks for peers.
func (c Config) looks() bool { return c.Candidates != nil || c.Discovery.on() }

// limits translates MaxPeers and what goes with it.
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
		return errors.New("node config: neither a key nor a data directory")
	}
	if len(c.Specs) == 0 {
		return errors.New("node config: no protocol, so that every peer would be useless")
	}
	if err := c.Discovery.check(); err != nil {
		return err
	}
	if _, err := nat.Parse(c.NAT); err != nil {
		return fmt.Errorf("node config: %w", err)
	}
	if c.HolePunching.Off && c.HolePunching.Private {
		return errors.New("node config: hole punching is off, and private networks are to take part in it")
	}
	for _, n := range append(append([]*enode.Node{}, c.StaticNodes...), c.TrustedNodes...) {
		if n == nil || n.Pubkey() == nil {
			return fmt.Errorf("node config: %v has no public key to recognise it by", n)
		}
	}
	return nil
}

// interfaceAddrs are the addresses of the machine's interfaces.
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

// randFrom makes a source of numbers in [0, 1) that is seeded once from r: a configured
// source of randomness may be slow, or belong to a test. It is for one goroutine at a time.
func randFrom(r io.Reader) func() float64 {
	var seed [16]byte
	if _, err := io.ReadFull(r, seed[:]); err != nil {
		return mathrand.Float64
	}
	source := mathrand.New(mathrand.NewPCG(binary.LittleEndian.Uint64(seed[:8]), binary.LittleEndian.Uint64(seed[8:])))
	return source.Float64
}

package crawl

import (
	"context"
	"crypto/ecdsa"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"time"

	"github.com/ethereum/go-ethereum/p2p/enode"
	"github.com/ethereum/go-ethereum/p2p/enr"

	"github.com/troupe-p2p/troupe/actors/supervise"
	"github.com/troupe-p2p/troupe/nat/netaddr"
	"github.com/troupe-p2p/troupe/node"
	"github.com/troupe-p2p/troupe/node/asynclog"
	"github.com/troupe-p2p/troupe/node/discovery"
)

// Defaults of a Config.
const (
	DefaultParallel  = 128
	DefaultPerSecond = 50
	DefaultAgain     = 24 * time.Hour
	DefaultQuiet     = 2 * time.Minute

	defaultNodes   = 200_000
	defaultPerHost = 64
	defaultReport  = 5 * time.Second
)

// Config configures a crawl.
type Config struct {
	// DB is the database file. It is created if it doesn't exist. The crawl starts with the
	// nodes of an earlier crawl in the file.
	DB string
	// Key is the crawl's identity. Nil: a new key.
	Key *ecdsa.PrivateKey
	// Network has the bootnodes and the DNS lists to read.
	Network discovery.Network
	// V4 and V5 enable the versions of discovery, on the UDP address Listen. The zero
	// address means all addresses, port 0 any free port.
	V4, V5 bool
	Listen netip.AddrPort
	// NetRestrict lists the networks to contact. Empty: all, except private networks and this
	// machine; these are included if the crawl starts with a node there.
	NetRestrict []netip.Prefix

	// Parallel limits the concurrent visits, PerSecond those that begin within a second.
	// Zero: DefaultParallel and DefaultPerSecond.
	Parallel, PerSecond int
	// Again is the time between two visits to a node. Zero: DefaultAgain.
	Again time.Duration
	// Quiet ends the crawl when nothing new has come for this time. Zero: DefaultQuiet.
	Quiet time.Duration

	// Report receives the crawl's progress, in the goroutine of Run, every ReportEvery
	// (zero: five seconds). May be nil.
	Report      func(Progress)
	ReportEvery time.Duration
	// Visit does a handshake with a node. It must return when its context ends. Nil:
	// node.Ping.
	Visit  func(context.Context, *enode.Node) (node.PingResult, error)
	Clock  node.Clock   // nil: the system's
	Logger *slog.Logger // nil: nothing is logged
}

var (
	errNowhere = errors.New("crawl: no node to start with: no bootnode, no DNS list and an empty database")
	errNoDB    = errors.New("crawl: Config.DB is empty")
	errCrashed = errors.New("crawl: crashed, see the log")
)

func (c Config) complete() (Config, error) {
	if c.DB == "" {
		return c, errNoDB
	}
	orElse(&c.Parallel, DefaultParallel)
	orElse(&c.PerSecond, DefaultPerSecond)
	orElse(&c.Again, DefaultAgain)
	orElse(&c.Quiet, DefaultQuiet)
	orElse(&c.ReportEvery, defaultReport)
	if c.Key == nil {
		var err error
		if c.Key, err = node.FreshKey(); err != nil {
			return c, err
		}
	}
	if c.Visit == nil {
		key := c.Key
		c.Visit = func(ctx context.Context, n *enode.Node) (node.PingResult, error) { return node.Ping(ctx, key, n) }
	}
	networks, err := netaddr.CanonicalNetworks(c.NetRestrict)
	if err != nil {
		return c, fmt.Errorf("crawl: NetRestrict: %w", err)
	}
	c.NetRestrict, c.Listen = networks, netaddr.Unmap(c.Listen)
	if c.Clock == nil {
		c.Clock = supervise.SystemClock
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	c.Logger = slog.New(asynclog.Wrap(c.Logger.Handler()))
	return c, nil
}

func orElse[T int | time.Duration](v *T, otherwise T) {
	if *v <= 0 {
		*v = otherwise
	}
}

func (c Config) limits() limits {
	return limits{parallel: c.Parallel, perSecond: c.PerSecond, again: c.Again, nodes: defaultNodes, perHost: defaultPerHost}
}

// local reports whether the crawl includes private networks and this machine, because a
// bootnode is there.
func (c Config) local() bool {
	for _, n := range slices.Concat(c.Network.Bootnodes, c.Network.BootnodesV5) {
		if private(n.IPAddr()) {
			return true
		}
	}
	return false
}

// welcome reports whether the crawl may visit every address of a node. Discovery data is
// untrusted: it could direct the crawl into the operator's own network.
func (h *shared) welcome(n *enode.Node) bool {
	for _, ip := range addressesOf(n) {
		switch {
		case len(h.NetRestrict) > 0:
			if !netaddr.Allowed(h.NetRestrict, ip) {
				return false
			}
		case netaddr.Private(ip) && !h.local:
			return false
		case ip.IsUnspecified(), ip.IsMulticast():
			return false
		}
	}
	return true
}

// addressesOf returns the IPv4 and IPv6 addresses in a node's record.
func addressesOf(n *enode.Node) (list []netip.Addr) {
	var (
		ip4 enr.IPv4Addr
		ip6 enr.IPv6Addr
	)
	if n.Load(&ip4) == nil {
		list = append(list, netip.Addr(ip4))
	}
	if n.Load(&ip6) == nil {
		list = append(list, netip.Addr(ip6).Unmap())
	}
	return list
}

// private reports whether ip is an address of a private network or of this machine. A bootnode that has
// a name instead of an address has none: private is false for an invalid address.
func private(ip netip.Addr) bool { return ip.IsValid() && netaddr.Private(ip) }

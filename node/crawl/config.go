package crawl

import (
	"context"
	"crypto/ecdsa"
	"errors"
	"log/slog"
	"net/netip"
	"slices"
	"time"

	"github.com/ethereum/go-ethereum/p2p/enode"
	"github.com/ethereum/go-ethereum/p2p/enr"

	"github.com/troupe-p2p/troupe/actors/supervise"
	"github.com/troupe-p2p/troupe/nat/netaddr"
	"github.com/troupe-p2p/troupe/node"
	"github.com/troupe-p2p/troupe/node/discovery"
)

// What a crawl does unless its Config says otherwise.
const (
	DefaultParallel  = 128
	DefaultPerSecond = 50
	DefaultAgain     = 24 * time.Hour
	DefaultQuiet     = 2 * time.Minute

	defaultNodes   = 200_000
	defaultPerHost = 64
	defaultReport  = 5 * time.Second
)

// Config says what to crawl, and how fast.
type Config struct {
	// DB is the database file, made if it isn't there. With one of an earlier crawl the
	// nodes in it are where this one begins.
	DB string
	// Key is who we say we are. Nil: somebody new.
	Key *ecdsa.PrivateKey
	// Network says where to begin, and which DNS lists to read.
	Network discovery.Network
	// V4 and V5 say which versions of discovery to run, on the UDP address Listen. The zero
	// address stands for all, port 0 for any.
	V4, V5 bool
	Listen netip.AddrPort
	// NetRestrict lists the networks to talk to. Empty: all; then nodes in private networks
	// and on this machine are left alone, unless the crawl begins at such a node.
	NetRestrict []netip.Prefix

	// Parallel limits the visits at once, PerSecond those that begin within a second. Zero:
	// DefaultParallel and DefaultPerSecond.
	Parallel, PerSecond int
	// Again is how old a visit must be before a node is visited again. Zero: DefaultAgain.
	Again time.Duration
	// Quiet ends the crawl when nothing new has come for so long. Zero: DefaultQuiet.
	Quiet time.Duration

	// Report is told how it is getting on, in the goroutine of Run, every ReportEvery; zero:
	// five seconds. May be nil.
	Report      func(Progress)
	ReportEvery time.Duration
	// Visit shakes hands with a node; it must return when its context ends. Nil: node.Ping.
	Visit  func(context.Context, *enode.Node) (node.PingResult, error)
	Clock  node.Clock   // nil: the system's
	Logger *slog.Logger // nil: nothing is logged
}

var (
	errNowhere = errors.New("crawl: there is nowhere to begin: no bootnode, no DNS list and an empty database")
	errNoDB    = errors.New("crawl: Config.DB is empty: there is no file to write to")
	errCrashed = errors.New("crawl: crashed, the log says how")
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
	if c.Clock == nil {
		c.Clock = supervise.SystemClock
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
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

// local says whether private networks and this machine are what is to be crawled.
func (c Config) local() bool {
	for _, n := range slices.Concat(c.Network.Bootnodes, c.Network.BootnodesV5) {
		if private(n.IPAddr()) {
			return true
		}
	}
	return false
}

// welcome says whether a node may be visited at every address that it has: strangers say
// where it is, and could send us into our own network.
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

// addressesOf gives the addresses of a node, of either family.
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

package nat

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/netip"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/troupe-p2p/troupe/actors/supervise"
)

// Config contains the actor's settings and its connections to the node.
type Config struct {
	// Spec is the operator's choice, see Parse. The zero value means any.
	Spec Spec
	// NodeID determines the alternative ports that are requested if the wanted port is taken.
	NodeID [32]byte
	// Secret is known to this node alone and is the same after a restart: with it a node that was
	// killed can renew its earlier PCP mappings. It is not the node's key, but may be derived from
	// it.
	Secret [32]byte
	// TCPPort and UDPPort are the ports on which the node listens; 0 means none.
	TCPPort, UDPPort InternalPort
	// Listen is the one address that the node listens on. An invalid or unspecified address means
	// all addresses. If Spec is any or none, that address is announced unchanged, even a loopback
	// address.
	Listen netip.Addr
	// Description is the text that routers show for our mappings. Empty means "Troupe".
	Description string
	// Lookup resolves the name of extip:HOST. It must return when its context ends. Nil: the
	// system's resolver.
	Lookup func(ctx context.Context, host string) ([]netip.Addr, error)
	// Publish receives each new ExternalAddress. It runs in the actor's turn and must not block.
	Publish func(ExternalAddress)
	// Changed, if not nil, receives a snapshot whenever the status changes, also for renewals and
	// errors, which Publish does not report. It runs in the actor's turn and must not block.
	Changed func(Status)

	Clock   supervise.Clock    // nil: the system clock
	Journal *supervise.Journal // nil: no log
	Random  func() float64     // from [0,1), for jitter; nil: math/rand
}

// NAT is the handle of the actor. Its methods are safe from any goroutine.
type NAT struct{ *shared }

// New makes the handle. It starts nothing. The error names a wrong setting.
func New(c Config) (*NAT, error) {
	c, err := c.complete()
	if err != nil {
		return nil, err
	}
	f := newFinder(c.Spec, c.bound(), c.Secret, c.Description)
	f.lookup = c.Lookup
	return newNAT(c, f), nil
}

func newNAT(c Config, f searcher) *NAT { return &NAT{&shared{Config: c, finder: f}} }

// Props returns the actor's props. Spawn it once, under a supervisor that restarts it
// (supervise.Resident), and end it with [Leave].
func (n *NAT) Props() *actor.Props {
	return supervise.PropsOf(func() actor.Actor { return &leaser{shared: n.shared} }, n.Journal)
}

// State returns the latest snapshot. It is zero until the actor has started.
func (n *NAT) State() Status {
	if s := n.current.Load(); s != nil {
		return *s
	}
	return Status{}
}

func (c Config) complete() (Config, error) {
	switch {
	case c.Publish == nil:
		return c, errors.New("nat: Config.Publish is missing")
	case c.TCPPort == 0 && c.UDPPort == 0:
		return c, errors.New("nat: Config.TCPPort and Config.UDPPort are both 0: no port to map")
	}
	if c.Description == "" {
		c.Description = "Troupe"
	}
	if c.Lookup == nil {
		c.Lookup = lookupSystem
	}
	if c.Clock == nil {
		c.Clock = supervise.SystemClock
	}
	if c.Random == nil {
		c.Random = rand.Float64
	}
	if c.bound().IsValid() && (c.Spec.Off || c.Spec.Method == "") {
		c.Spec = Spec{Method: MethodListen, IP: c.bound()}
	}
	return c, nil
}

// bound returns the one address that the node listens on. It is invalid if the node listens on all
// addresses.
func (c Config) bound() netip.Addr {
	if c.Listen.IsUnspecified() {
		return netip.Addr{}
	}
	return c.Listen.Unmap()
}

func (c Config) ports() (all []port) {
	if c.TCPPort != 0 {
		all = append(all, port{TCP, c.TCPPort})
	}
	if c.UDPPort != 0 {
		all = append(all, port{UDP, c.UDPPort})
	}
	return all
}

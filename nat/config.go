package nat

import (
	"errors"
	"math/rand/v2"
	"net/netip"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/troupe-p2p/troupe/actors/supervise"
)

// Config is what the actor needs to know and to reach.
type Config struct {
	// Spec is what the operator wants, see Parse. The zero value is any.
	Spec Spec
	// NodeID gives the ports that are asked for where the wanted one is taken.
	NodeID [32]byte
	// Secret is known to this node alone and stays over restarts: with it a node that
	// was killed renews by PCP what it had before. It is not the node's key, but may be
	// derived from it.
	Secret [32]byte
	// TCPPort and UDPPort are the ports on which the node listens; 0: none.
	TCPPort, UDPPort InternalPort
	// Listen is the one address that the node listens on. Not valid or unspecified: all of
	// them. Where the Spec is any or none, that address is announced as it is, a
	// loopback one included.
	Listen netip.Addr
	// Description is what routers show beside our mappings. Empty: "Troupe".
	Description string
	// Publish gets each new ExternalAddress. It runs in the actor's turn: it must not
	// block.
	Publish func(ExternalAddress)
	// Changed, if not nil, gets a snapshot whenever there is something new to show:
	// renewals and errors included, which are no news to Publish. It runs in the
	// actor's turn, too.
	Changed func(Status)

	Clock   supervise.Clock    // nil: the system's
	Journal *supervise.Journal // nil: nothing is logged
	Random  func() float64     // from [0,1), for jitter; nil: math/rand
}

// Props makes the actor. It is to be spawned once, under a supervisor that restarts it
// (actors.Resident), and ended with [Leave].
func Props(c Config) (*actor.Props, error) {
	c, err := c.complete()
	if err != nil {
		return nil, err
	}
	return c.props(newFinder(c.Spec, c.bound(), c.Secret, c.Description)), nil
}

func (c Config) props(f searcher) *actor.Props {
	s := &shared{Config: c, finder: f}
	return supervise.PropsOf(func() actor.Actor { return &leaser{shared: s} }, c.Journal)
}

func (c Config) complete() (Config, error) {
	switch {
	case c.Publish == nil:
		return c, errors.New("nat: Config.Publish is missing: nobody would learn the address")
	case c.TCPPort == 0 && c.UDPPort == 0:
		return c, errors.New("nat: there is neither a TCP nor a UDP port to make reachable")
	}
	if c.Description == "" {
		c.Description = "Troupe"
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

// bound is the one address that we listen on, not valid if there are more.
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

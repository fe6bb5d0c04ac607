package nat

import (
	"context"
	"net/netip"
	"time"
)

// Protocol is the transport of a mapped port.
type Protocol uint8

const (
	TCP Protocol = iota + 1
	UDP
)

func (p Protocol) String() string {
	switch p {
	case TCP:
		return "TCP"
	case UDP:
		return "UDP"
	}
	return "unknown"
}

// iana is the protocol's number in the IP header, which PCP uses.
func (p Protocol) iana() byte {
	if p == TCP {
		return 6
	}
	return 17
}

// InternalPort is a port on which we listen.
type InternalPort uint16

// ExternalPort is a port of the router, under which others reach us.
type ExternalPort uint16

// Method is how an external address was come by.
type Method string

const (
	MethodPCP       Method = "pcp"       // RFC 6887
	MethodPMP       Method = "nat-pmp"   // RFC 6886
	MethodUPnP      Method = "upnp"      // UPnP IGD, version 1 or 2
	MethodFixed     Method = "extip"     // given by the operator
	MethodSTUN      Method = "stun"      // RFC 8489; tells the address, maps nothing
	MethodListen    Method = "listen"    // the one address that we listen on
	MethodInterface Method = "interface" // our own interface has a public address
)

// rank orders methods by how much we like them, best first.
func (m Method) rank() int {
	switch m {
	case MethodPCP:
		return 0
	case MethodPMP:
		return 1
	case MethodUPnP:
		return 2
	}
	return 3
}

// Confidence says what speaks for an external address.
type Confidence uint8

const (
	Unknown    Confidence = iota
	Assumed               // the address is known, whether the ports are open is not
	Granted               // the router says that it forwards
	Proved                // somebody came in from outside
	Configured            // the operator says so
)

func (c Confidence) String() string {
	switch c {
	case Assumed:
		return "assumed"
	case Granted:
		return "granted"
	case Proved:
		return "proved"
	case Configured:
		return "configured"
	}
	return "unknown"
}

// MarshalText implements encoding.TextMarshaler.
func (c Confidence) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (c *Confidence) UnmarshalText(text []byte) error { return byName(c, Configured, text) }

// Router is who answered. Its strings come from the router: they are cut to a line.
type Router struct {
	Name  string     `json:"name"`
	Addr  netip.Addr `json:"addr"`            // where it was found
	Local netip.Addr `json:"local"`           // our address on its network
	Boot  string     `json:"boot,omitempty"`  // SSDP boot id at the time of the search
	ID    string     `json:"id,omitempty"`    // UPnP unique device name
	Place string     `json:"place,omitempty"` // UPnP LOCATION
}

func (r Router) String() string {
	switch {
	case r.Name == "" && !r.Addr.IsValid():
		return ""
	case r.Name == "":
		return r.Addr.String()
	case !r.Addr.IsValid():
		return r.Name
	}
	return r.Name + " at " + r.Addr.String()
}

// Request asks for one port.
type Request struct {
	Protocol Protocol
	Internal InternalPort
	External ExternalPort  // the port that we'd like
	Lifetime time.Duration // 0: without end, which is for routers that know nothing else
	Any      bool          // take another port if this one is in use
}

// Mapping is what a router granted.
type Mapping struct {
	Protocol  Protocol
	Internal  InternalPort
	External  ExternalPort
	IP        netip.Addr    // external address; not valid where the method doesn't tell
	Lifetime  time.Duration // as granted; nothing to do with what was asked for
	Permanent bool          // the router forgets it only when told to
	Epoch     Epoch
}

// Epoch is a router's own clock, in seconds since it lost its mappings.
type Epoch struct {
	Seconds uint32
	Known   bool
	// Loose marks a clock that may run unevenly (UPnP's uptime): only going back
	// means something.
	Loose bool
}

// Reading is a router's answer to the question for its external address.
type Reading struct {
	IP    netip.Addr // not valid where the method doesn't tell
	Epoch Epoch
}

// Caps says what a mapper can do.
type Caps struct {
	Maps  bool // false: the address is all there is, and ports are taken to be open
	Tells bool // External tells the address; else a mapping does
	Any   bool // a request may let the router choose the port
	List  bool // Verify asks what the router has
}

// Mapper is one way to one router. Calls return when ctx ends, are made from any
// goroutine, one or more at a time, and fail with an *Error.
type Mapper interface {
	Method() Method
	Router() Router
	Caps() Caps
	// External asks for the router's external address and clock.
	External(ctx context.Context) (Reading, error)
	// Map adds a mapping or renews it.
	Map(ctx context.Context, r Request) (Mapping, error)
	// Unmap deletes a mapping. One that isn't there is no error.
	Unmap(ctx context.Context, m Mapping) error
	// Verify asks the router whether it has this mapping, for us. It returns the
	// mapping as the router sees it.
	Verify(ctx context.Context, m Mapping) (Mapping, error)
}

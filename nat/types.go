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

// iana returns the protocol's number in the IP header, which PCP uses.
func (p Protocol) iana() byte {
	if p == TCP {
		return 6
	}
	return 17
}

// InternalPort is a port on which this node listens.
type InternalPort uint16

// ExternalPort is a port of the router, at which others reach this node.
type ExternalPort uint16

// Method is the way in which an external address was obtained.
type Method string

const (
	MethodPCP       Method = "pcp"       // RFC 6887
	MethodPMP       Method = "nat-pmp"   // RFC 6886
	MethodUPnP      Method = "upnp"      // UPnP IGD, version 1 or 2
	MethodFixed     Method = "extip"     // given by the operator
	MethodSTUN      Method = "stun"      // RFC 8489; reports the address, maps nothing
	MethodListen    Method = "listen"    // the one address that this node listens on
	MethodInterface Method = "interface" // an interface of this host has a public address
)

// rank returns the order of preference among methods; 0 is the best.
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

// Confidence is the evidence for an external address.
type Confidence uint8

const (
	Unknown    Confidence = iota
	Assumed               // the address is known; it is unknown whether the ports are open
	Granted               // the router confirmed the mapping
	Proved                // a remote connected from outside
	Configured            // set by the operator
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

// Router is a router that answered. Its strings come from the router and are cut to one line.
type Router struct {
	Name  string     `json:"name"`
	Addr  netip.Addr `json:"addr"`            // address at which it was found
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

// Request is a request to map one port.
type Request struct {
	Protocol Protocol
	Internal InternalPort
	External ExternalPort  // the preferred port
	Lifetime time.Duration // 0: permanent, for routers that support nothing else
	Any      bool          // accept another port if this one is in use
}

// Mapping is what a router granted.
type Mapping struct {
	Protocol  Protocol
	Internal  InternalPort
	External  ExternalPort
	IP        netip.Addr    // external address; invalid if the method doesn't report it
	Lifetime  time.Duration // as granted; may differ from the requested lifetime
	Permanent bool          // the router keeps it until it is deleted
	Epoch     Epoch
}

// Epoch is a router's clock: the seconds since it lost its mappings.
type Epoch struct {
	Seconds uint32
	Known   bool
	// Loose marks a clock that may run unevenly (UPnP's uptime): only a decrease is meaningful.
	Loose bool
}

// Reading is a router's answer to a request for its external address.
type Reading struct {
	IP    netip.Addr // invalid if the method doesn't report it
	Other netip.Addr // of the other family; only a name has one
	Epoch Epoch
}

// Caps describes what a mapper can do.
type Caps struct {
	Maps  bool // false: it only knows the address, and ports are assumed to be open
	Tells bool // External returns the address; if false, only a mapping does
	Any   bool // a request may let the router choose the port
	List  bool // Verify can look up a mapping in the router
	Named bool // External looks up a name, whose addresses change rarely
}

// Mapper is one method at one router. Calls return when ctx ends, may come from any goroutine, also
// concurrently, and fail with an *Error.
type Mapper interface {
	Method() Method
	Router() Router
	Caps() Caps
	// External requests the router's external address and clock.
	External(ctx context.Context) (Reading, error)
	// Map adds a mapping or renews it.
	Map(ctx context.Context, r Request) (Mapping, error)
	// Unmap deletes a mapping. A mapping that does not exist is no error.
	Unmap(ctx context.Context, m Mapping) error
	// Verify asks the router whether it has this mapping for this host. It returns the mapping as
	// the router reports it.
	Verify(ctx context.Context, m Mapping) (Mapping, error)
}

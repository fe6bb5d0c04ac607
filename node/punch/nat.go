package punch

import "fmt"

// NAT is what a node believes of the NAT that it is behind. The node's record has the same number.
type NAT uint8

// The kinds of NAT.
const (
	Unknown             NAT = iota // too few observations
	Open                           // no NAT, or other nodes reach the node in spite of it
	EndpointIndependent            // all neighbours see the node under the same endpoint (RFC 4787, section 4.1)
	AddressDependent               // each neighbour sees another endpoint
)

var natNames = [...]string{"unknown", "open", "endpoint-independent", "address-dependent"}

func (n NAT) String() string {
	if int(n) < len(natNames) {
		return natNames[n]
	}
	return natNames[Unknown]
}

// MarshalText implements encoding.TextMarshaler.
func (n NAT) MarshalText() ([]byte, error) { return []byte(n.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (n *NAT) UnmarshalText(text []byte) error {
	for i, name := range natNames {
		if name == string(text) {
			*n = NAT(i)
			return nil
		}
	}
	return fmt.Errorf("unknown kind of NAT: %q", text)
}

package punch

import "fmt"

// NAT is what a node believes of the NAT it is behind, as its record says it.
type NAT uint8

// The kinds of NAT.
const (
	Unknown             NAT = iota // too few neighbours have said what they see
	Open                           // none, or others reach the node in spite of it
	EndpointIndependent            // all neighbours see the node under the same endpoint
	AddressDependent               // each sees another one
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
	return fmt.Errorf("no such kind of NAT: %q", text)
}

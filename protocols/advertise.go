package protocols

import (
	"slices"

	"github.com/ethereum/go-ethereum/p2p/enr"
)

// Advertised gives the Spec with Attributes and Wants by which nodes that run the protocol
// find each other: the record (EIP-778) of each has the protocol's name as a key, and its
// versions as the value, a list of numbers. A node with such Specs alone dials nobody
// that could only be a useless peer. Names that a standard has given a meaning in records,
// such as eth, are not for it.
func (s Spec) Advertised() Spec {
	var mine []uint
	for _, v := range s.Versions {
		mine = append(mine, v.Number)
	}
	name := s.Name
	s.Attributes = func() []enr.Entry { return []enr.Entry{enr.WithEntry(name, mine)} }
	s.Wants = func(r *enr.Record) bool {
		var theirs []uint
		if r.Load(enr.WithEntry(name, &theirs)) != nil {
			return false // it has no such entry, or one of another kind
		}
		return slices.ContainsFunc(theirs, func(n uint) bool { return slices.Contains(mine, n) })
	}
	return s
}

package protocols

import (
	"slices"

	"github.com/ethereum/go-ethereum/p2p/enr"
)

// Advertised returns the Spec with Attributes and Wants by which nodes that run the protocol find
// each other. The record (EIP-778) of each node has the protocol's name as a key, and the list of
// its version numbers as the value. A node whose Specs are all advertised dials no node that
// could only be a useless peer. Do not use it for names that have a standard meaning in records,
// such as eth.
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

package punch

import (
	"slices"

	"github.com/ethereum/go-ethereum/p2p/enode"
	"github.com/ethereum/go-ethereum/p2p/enr"
	"github.com/ethereum/go-ethereum/rlp"
)

// Protocol is the name of hole punching, version 1, in TALKREQ.
const Protocol = "punch/1"

const version = 1

// Entry is the entry for hole punching in a node's record.
type Entry struct {
	Versions []uint
	NAT      NAT
	Rest     []rlp.RawValue `rlp:"tail"` // elements of later versions
}

// NewEntry returns the entry of a node that supports the version of this package.
func NewEntry(n NAT) Entry { return Entry{Versions: []uint{version}, NAT: n} }

// ENRKey implements enr.Entry.
func (Entry) ENRKey() string { return "punch" }

// Takes reports whether a node takes part in hole punching with a version of this package, and what it
// believes of its NAT.
func Takes(n *enode.Node) (nat NAT, ok bool) {
	var e Entry
	if n.Load(&e) != nil || !slices.Contains(e.Versions, version) {
		return Unknown, false
	}
	if e.NAT > AddressDependent {
		e.NAT = Unknown
	}
	return e.NAT, true
}

var _ enr.Entry = Entry{}

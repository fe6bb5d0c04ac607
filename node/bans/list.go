package bans

import (
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/p2p/enode"
)

// maxAutomaticBans limits the bans that the node makes by itself. Beyond it the ban that ends
// first is lifted. The operator's bans have no limit.
const maxAutomaticBans = 4096

// list is a set of bans. It is a plain value.
type list struct {
	bans map[Target]Ban
	// automatic is the number of bans that the node made itself.
	automatic int
	// lengths counts the networks by family and prefix length, so that an address needs one
	// look-up for each prefix length in use.
	lengths map[netLength]int
}

type netLength struct {
	is6  bool
	bits int
}

func lengthOf(p netip.Prefix) netLength { return netLength{p.Addr().Is6(), p.Bits()} }

// add adds a ban, in place of a ban on the same target. An automatic ban does not replace a ban
// by the operator, nor a ban that lasts longer; then add returns false.
func (l *list) add(b Ban, now time.Time) bool {
	old, ok := l.bans[b.Target]
	if ok && b.Automatic && (!old.Automatic && old.inForce(now) || compareEnds(&old, &b) > 0) {
		return false
	}
	l.lift(b.Target)
	if b.Automatic && l.automatic >= maxAutomaticBans {
		l.liftFirst()
	}
	if l.bans == nil {
		l.bans, l.lengths = map[Target]Ban{}, map[netLength]int{}
	}
	l.bans[b.Target] = b
	if b.Automatic {
		l.automatic++
	}
	if b.Target.Net.IsValid() {
		l.lengths[lengthOf(b.Target.Net)]++
	}
	return true
}

// lift ends a ban. It returns false if there was none.
func (l *list) lift(t Target) bool {
	b, ok := l.bans[t]
	if !ok {
		return false
	}
	delete(l.bans, t)
	if b.Automatic {
		l.automatic--
	}
	if t.Net.IsValid() {
		length := lengthOf(t.Net)
		if l.lengths[length]--; l.lengths[length] == 0 {
			delete(l.lengths, length)
		}
	}
	return true
}

// liftFirst lifts the automatic ban that ends first.
func (l *list) liftFirst() {
	var first *Ban
	for _, b := range l.bans {
		if b.Automatic && (first == nil || compareEnds(&b, first) < 0) {
			first = &b
		}
	}
	if first != nil {
		l.lift(first.Target)
	}
}

// banned returns a ban on a node or an address. Either may be zero.
func (l *list) banned(id enode.ID, addr netip.Addr, now time.Time) (Ban, bool) {
	if b, ok := l.bans[ByID(id)]; ok && b.inForce(now) {
		return b, true
	}
	if !addr.IsValid() {
		return Ban{}, false
	}
	addr = addr.Unmap().WithZone("")
	for length := range l.lengths {
		if length.is6 != addr.Is6() {
			continue
		}
		network := netip.PrefixFrom(addr, length.bits).Masked()
		if b, ok := l.bans[Target{Net: network}]; ok && b.inForce(now) {
			return b, true
		}
	}
	return Ban{}, false
}

// prune removes the bans that have ended.
func (l *list) prune(now time.Time) {
	for t, b := range l.bans {
		if !b.inForce(now) {
			l.lift(t)
		}
	}
}

// sorted returns the bans in force. The ban that ends first comes first.
func (l *list) sorted(now time.Time) []Ban {
	list := make([]Ban, 0, len(l.bans))
	for _, b := range l.bans {
		if b.inForce(now) {
			list = append(list, b)
		}
	}
	slices.SortFunc(list, func(a, b Ban) int {
		if c := compareEnds(&a, &b); c != 0 {
			return c
		}
		return strings.Compare(a.Target.String(), b.Target.String())
	})
	return list
}

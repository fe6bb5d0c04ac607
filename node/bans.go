package node

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/p2p/enode"
)

// maxAutomaticBans bounds the bans that the node makes by itself; beyond it the one that
// ends first is lifted. The operator's are his own affair.
const maxAutomaticBans = 4096

// BanTarget is what a [Ban] keeps out: a node, or all addresses of a network. One of the
// two is set. See [ParseBanTarget].
type BanTarget struct {
	ID  enode.ID
	Net netip.Prefix // a single address is a network of one
}

// BanID is the target of a ban on one node.
func BanID(id enode.ID) BanTarget { return BanTarget{ID: id} }

// BanIP is the target of a ban on one address.
func BanIP(addr netip.Addr) BanTarget {
	addr = addr.Unmap().WithZone("")
	return BanTarget{Net: netip.PrefixFrom(addr, addr.BitLen())}
}

// ParseBanTarget reads a node (its URL, its record or its ID in hex), an IP address, or a
// network in CIDR notation.
func ParseBanTarget(s string) (BanTarget, error) {
	s = strings.TrimSpace(s)
	if addr, err := netip.ParseAddr(s); err == nil {
		return BanIP(addr), nil
	}
	if p, err := netip.ParsePrefix(s); err == nil {
		return BanTarget{Net: p.Masked()}, nil
	}
	if id, err := enode.ParseID(s); err == nil {
		return BanID(id), nil
	}
	n, err := enode.Parse(enode.ValidSchemes, s)
	if err != nil {
		return BanTarget{}, fmt.Errorf("%q: want a node, its ID, an IP address or a network", s)
	}
	return BanID(n.ID()), nil
}

// String is the ID in hex, the address, or the network.
func (t BanTarget) String() string {
	switch {
	case !t.Net.IsValid():
		return t.ID.String()
	case t.Net.IsSingleIP():
		return t.Net.Addr().String()
	}
	return t.Net.String()
}

// MarshalText implements encoding.TextMarshaler by String.
func (t BanTarget) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler by [ParseBanTarget].
func (t *BanTarget) UnmarshalText(text []byte) (err error) {
	*t, err = ParseBanTarget(string(text))
	return err
}

func (t BanTarget) check() error {
	if t.Net.IsValid() == (t.ID != enode.ID{}) {
		return errors.New("ban: want a node or a network")
	}
	if t.Net.IsValid() && (t.Net != t.Net.Masked() || t.Net.Addr().Is4In6()) {
		return fmt.Errorf("ban: %v is not the address of a network", t.Net)
	}
	return nil
}

// Ban keeps a node or a network out for a time.
type Ban struct {
	Target BanTarget `json:"target"`
	Since  time.Time `json:"since"`
	Until  time.Time `json:"until"`
	Reason string    `json:"reason"`
	// Automatic: the node made it, not its operator.
	Automatic bool `json:"automatic,omitempty"`
}

// banList is the bans that there are. It is a plain value.
type banList struct {
	bans map[BanTarget]Ban
	// automatic is how many the node made.
	automatic int
	// lengths counts the networks by family and length, so that an address needs one look
	// for each length that there is.
	lengths map[netLength]int
}

type netLength struct {
	is6  bool
	bits int
}

func lengthOf(p netip.Prefix) netLength { return netLength{p.Addr().Is6(), p.Bits()} }

// add makes a ban, in place of one on the same target. An automatic one changes none that
// the operator made, and none that lasts longer; it says so.
func (l *banList) add(b Ban, now time.Time) bool {
	old, ok := l.bans[b.Target]
	if ok && b.Automatic && (!old.Automatic && now.Before(old.Until) || old.Until.After(b.Until)) {
		return false
	}
	l.lift(b.Target)
	if b.Automatic && l.automatic >= maxAutomaticBans {
		l.liftFirst()
	}
	if l.bans == nil {
		l.bans, l.lengths = map[BanTarget]Ban{}, map[netLength]int{}
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

// lift ends a ban, and says whether there was one.
func (l *banList) lift(t BanTarget) bool {
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
func (l *banList) liftFirst() {
	var first *Ban
	for _, b := range l.bans {
		if b.Automatic && (first == nil || b.Until.Before(first.Until)) {
			first = &b
		}
	}
	if first != nil {
		l.lift(first.Target)
	}
}

// banned finds the ban on a node or address. Either may be unknown.
func (l *banList) banned(id enode.ID, addr netip.Addr, now time.Time) (Ban, bool) {
	if b, ok := l.bans[BanID(id)]; ok && now.Before(b.Until) {
		return b, true
	}
	if !addr.IsValid() {
		return Ban{}, false
	}
	addr = addr.WithZone("")
	for length := range l.lengths {
		if length.is6 != addr.Is6() {
			continue
		}
		network := netip.PrefixFrom(addr, length.bits).Masked()
		if b, ok := l.bans[BanTarget{Net: network}]; ok && now.Before(b.Until) {
			return b, true
		}
	}
	return Ban{}, false
}

// prune forgets the bans that have ended.
func (l *banList) prune(now time.Time) {
	for t, b := range l.bans {
		if !now.Before(b.Until) {
			l.lift(t)
		}
	}
}

// list gives the bans in force, the one that ends first at the front.
func (l *banList) list(now time.Time) []Ban {
	list := make([]Ban, 0, len(l.bans))
	for _, b := range l.bans {
		if now.Before(b.Until) {
			list = append(list, b)
		}
	}
	slices.SortFunc(list, func(a, b Ban) int {
		if c := a.Until.Compare(b.Until); c != 0 {
			return c
		}
		return strings.Compare(a.Target.String(), b.Target.String())
	})
	return list
}

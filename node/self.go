package node

import (
	"fmt"
	"net/netip"
	"path/filepath"

	"github.com/ethereum/go-ethereum/p2p/enode"
	"github.com/ethereum/go-ethereum/p2p/enr"

	"github.com/troupe-p2p/troupe/node/datadir"
	"github.com/troupe-p2p/troupe/node/punch"
	"github.com/troupe-p2p/troupe/protocols"
)

// renewRecord makes the record that fits what is known now, and sees to it that the data
// directory, if there is one, has it. It says whether the record is another than before.
// It is called while the node starts, and by the announcer from then on.
func (n *Node) renewRecord(previous *enode.Node) (changed bool, err error) {
	e := n.endpoint()
	attributes, err := n.attributesOf(n.offer.Load().Mounted)
	if err != nil {
		return false, err
	}
	var next *enode.Node
	if n.local != nil {
		n.told.tell(n.local, e, attributes)
		next = n.local.Node()
	} else if next, err = nextRecord(previous, n.key, append(e.entries(), attributes...), n.rt.Clock.Now()); err != nil {
		return false, err
	}
	n.record.Store(next)
	if next == previous || n.cfg.DataDir == "" {
		return next != previous, nil
	}
	if err := datadir.Write(filepath.Join(n.cfg.DataDir, recordFile), []byte(next.String()+"\n")); err != nil {
		return true, fmt.Errorf("node record: %w", err)
	}
	return true, nil
}

// endpoint is where others reach the node, by the best word that there is.
func (n *Node) endpoint() endpoint {
	e := n.listening().from(n.outside)
	if s := n.reach.Load(); s != nil {
		e = e.seen(s.Observed, s.TCP)
	}
	return e
}

// attributesOf gives what protocols have to say in the record, and hole punching. They must
// leave room for addresses of both families, because the library panics over a record that is
// too large.
func (n *Node) attributesOf(mounted []*protocols.Mounted) ([]enr.Entry, error) {
	var list []enr.Entry
	for _, m := range mounted {
		if m.Spec.Attributes != nil {
			list = append(list, m.Spec.Attributes()...)
		}
	}
	if n.cfg.punches() {
		list = append(list, punch.NewEntry(n.belief()))
	}
	if len(list) == 0 {
		return nil, nil
	}
	full := endpoint{ip4: netip.IPv4Unspecified(), ip6: netip.IPv6Unspecified(), tcp4: 1 << 15, tcp6: 1<<15 + 1, udp: 1 << 15}
	entries := append(full.entries(), enr.UDP6(1<<15+1))
	if _, err := signRecord(n.key, append(entries, list...), 1<<62); err != nil {
		return nil, fmt.Errorf("what protocols say in the record: %w", err)
	}
	return list, nil
}

// told is what a LocalNode was told, which does not give it back.
type told struct {
	attributes []enr.Entry
	// pinned4 and pinned6: an address was certain once. Peers' word counts no more in the
	// library from then on, which has no way to withdraw such an address.
	pinned4, pinned6 bool
}

// tell puts what is known into a record that learns.
func (t *told) tell(local *enode.LocalNode, e endpoint, attributes []enr.Entry) {
	t.pinned4 = tellAddress(local, e.ip4, netip.IPv4Unspecified(), e.sure4, t.pinned4)
	t.pinned6 = tellAddress(local, e.ip6, netip.IPv6Unspecified(), e.sure6, t.pinned6)
	local.SetFallbackUDP(int(e.udp))
	var tcp, tcp6 bool
	for _, entry := range e.entries() {
		switch entry.(type) {
		case enr.TCP:
			local.Set(entry)
			tcp = true
		case enr.TCP6:
			local.Set(entry)
			tcp6 = true
		}
	}
	if !tcp {
		local.Delete(enr.TCP(0))
	}
	if !tcp6 {
		local.Delete(enr.TCP6(0))
	}
	said := map[string]bool{}
	for _, entry := range attributes {
		local.Set(entry)
		said[entry.ENRKey()] = true
	}
	for _, entry := range t.attributes {
		if !said[entry.ENRKey()] {
			local.Delete(entry)
		}
	}
	t.attributes = attributes
}

// tellAddress tells the address of one family, none being what stands for no address. One that
// isn't certain gives way to what ten peers say, where that counts still; where it doesn't,
// what one neighbour sees takes the place of the address that was certain once.
func tellAddress(local *enode.LocalNode, ip, none netip.Addr, sure surety, pinned bool) (nowPinned bool) {
	switch {
	case ip.IsValid() && (sure == certain || pinned && sure == observed):
		local.SetStaticIP(ip.AsSlice())
		return true
	case pinned:
		local.SetStaticIP(none.AsSlice())
	case ip.IsValid():
		local.SetFallbackIP(ip.AsSlice())
	default:
		local.SetFallbackIP(none.AsSlice())
	}
	return pinned
}

// overtake gives the record of this node a number that is not below seq. Each number costs
// a signature and a millisecond; a gap is as large as the number of changes that the node
// signed without a database. A larger one is a clock gone wrong.
func overtake(local *enode.LocalNode, seq uint64) error {
	const most = 1000
	key := enr.WithEntry("n", uint(0))
	for i := range most {
		if local.Seq() >= seq {
			local.Delete(key)
			return nil
		}
		local.Set(enr.WithEntry("n", uint(i)))
		local.Node()
	}
	return fmt.Errorf("node record: number %d is far behind %d, which the data directory has", local.Seq(), seq)
}

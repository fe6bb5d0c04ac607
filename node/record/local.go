package record

import (
	"fmt"
	"net/netip"

	"github.com/ethereum/go-ethereum/p2p/enode"
	"github.com/ethereum/go-ethereum/p2p/enr"
)

// nodesDir is the name of the folder with discovery's node database in a data directory.
const nodesDir = "nodes"

// openLocal makes the LocalNode, and opens discovery's node database, which has the LocalNode's
// sequence number. The sequence numbers continue those of the kept record: the node may have run
// without discovery since, and have signed that record itself.
func (r *Record) openLocal(kept *enode.Node) error {
	if !r.Discovery {
		return nil
	}
	var dir string // none: in memory
	if r.DataDir != "" {
		dir = r.file(nodesDir)
	}
	db, err := enode.OpenDB(dir)
	if err != nil && dir != "" {
		r.Logger.Warn("node database kept in memory only: it can't be opened", "dir", dir, "err", err)
		db, err = enode.OpenDB("")
	}
	if err != nil {
		return fmt.Errorf("node database: %w", err)
	}
	r.db, r.local = db, enode.NewLocalNode(db, r.Key)
	if kept != nil && kept.ID() == enode.PubkeyToIDV4(&r.Key.PublicKey) {
		if err := overtake(r.local, kept.Seq()); err != nil {
			r.Logger.Warn("continuing the record's sequence number failed, other nodes may keep an older record", "err", err)
		}
	}
	return nil
}

// announced has the values that were passed to a LocalNode, because LocalNode does not return them.
type announced struct {
	attributes []enr.Entry
	// pinned4 and pinned6 say that an address was certain once. From then on LocalNode ignores
	// the addresses that peers observe, and has no way to withdraw a certain address.
	pinned4, pinned6 bool
}

// announce passes the current endpoint and attributes to a LocalNode.
func (t *announced) announce(local *enode.LocalNode, e endpoint, attributes []enr.Entry) {
	t.pinned4 = announceAddress(local, e.ip4, netip.IPv4Unspecified(), e.sure4, t.pinned4)
	t.pinned6 = announceAddress(local, e.ip6, netip.IPv6Unspecified(), e.sure6, t.pinned6)
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
	current := map[string]bool{}
	for _, entry := range attributes {
		local.Set(entry)
		current[entry.ENRKey()] = true
	}
	for _, entry := range t.attributes {
		if !current[entry.ENRKey()] {
			local.Delete(entry)
		}
	}
	t.attributes = attributes
}

// announceAddress passes the address of one family. none stands for no address. The address that
// ten peers observe replaces one that is not certain. If an address was pinned, LocalNode
// ignores peers, and the address that one neighbour observes replaces the pinned one.
func announceAddress(local *enode.LocalNode, ip, none netip.Addr, sure surety, pinned bool) (nowPinned bool) {
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

// overtake gives the node's record a sequence number of at least seq. Each step costs a
// signature and a millisecond. The gap is the number of changes that the node signed without
// the database. A gap of more than a thousand means that a clock was wrong, and is an error.
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
	return fmt.Errorf("node record: sequence number %d is far below %d, that of the data directory", local.Seq(), seq)
}

package node

import (
	"bytes"
	"crypto/ecdsa"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/p2p/enode"
	"github.com/ethereum/go-ethereum/p2p/enr"
	"github.com/ethereum/go-ethereum/rlp"

	"github.com/troupe-p2p/troupe/nat"
	"github.com/troupe-p2p/troupe/nat/netaddr"
)

// recordFile is the file of a data directory that has the node's signed record in its text form.
const recordFile = "enr"

// endpoint is what a node's record says of where to reach it.
type endpoint struct {
	ip4, ip6     netip.Addr // invalid: none
	tcp4, tcp6   uint16     // 0: none
	udp          uint16     // 0: none; of both
	sure4, sure6 surety     // of ip4 and ip6
}

// surety is how well an address is known.
type surety uint8

const (
	guessed  surety = iota // said for want of anything better, or there is none
	observed               // a neighbour sees the node there
	certain                // the operator or a router says so, or the node listens there alone
)

// from gives the endpoint as it is seen from outside: where the router, or the operator,
// says something of a family of addresses, that is what counts.
func (e endpoint) from(outside nat.ExternalAddress) endpoint {
	switch ip := outside.IP.Unmap(); {
	case ip.Is4():
		e.ip4, e.tcp4, e.sure4 = ip, uint16(outside.TCPPort), certain
	case ip.Is6():
		e.ip6, e.tcp6, e.sure6 = ip, uint16(outside.TCPPort), certain
	default:
		return e
	}
	if e.udp != 0 {
		e.udp = uint16(outside.UDPPort)
	}
	return e
}

// seen gives the endpoint as neighbours see it (udp, and tcp where that is known), in place
// of a guess. The record has one UDP port for both families: that of a certain address stays.
func (e endpoint) seen(udp, tcp netip.AddrPort) endpoint {
	ip, port := udp.Addr().Unmap(), udp.Port()
	known := tcp.IsValid() && tcp.Addr().Unmap() == ip
	moves := port != e.udp
	switch {
	case e.udp == 0:
		// Others can't come in by UDP at all, says who is certain.
	case ip.Is4() && e.ip4.IsValid() && e.sure4 == guessed && !(moves && e.sure6 == certain):
		e.ip4, e.udp, e.sure4 = ip, port, observed
		if known {
			e.tcp4 = tcp.Port()
		}
	case ip.Is6() && e.sure6 == guessed && !(moves && e.sure4 == certain):
		e.ip6, e.tcp6, e.udp, e.sure6 = ip, e.tcp4, port, observed
		if known {
			e.tcp6 = tcp.Port()
		}
	}
	return e
}

// open says whether others reach the node there without help. The one address that it listens
// on may lie behind a NAT if it is not the Internet's; for any other, somebody has given his
// word.
func (e endpoint) open(word nat.ExternalAddress) bool {
	is := func(ip netip.Addr, tcp uint16, sure surety) bool {
		return sure == certain && tcp != 0 && (ip == word.IP.Unmap() || !netaddr.Private(ip))
	}
	return e.udp != 0 && (is(e.ip4, e.tcp4, e.sure4) || is(e.ip6, e.tcp6, e.sure6))
}

// entries puts the endpoint in the terms of EIP-778. A port for IPv6 stands in the
// record only where it differs.
func (e endpoint) entries() []enr.Entry {
	var list []enr.Entry
	if e.ip4.IsValid() {
		list = append(list, enr.IPv4Addr(e.ip4))
	}
	if e.ip6.IsValid() {
		list = append(list, enr.IPv6Addr(e.ip6))
	}
	tcp := e.tcp4
	if tcp == 0 {
		tcp = e.tcp6
	}
	if tcp != 0 {
		list = append(list, enr.TCP(tcp))
	}
	if e.tcp6 != 0 && e.tcp6 != tcp {
		list = append(list, enr.TCP6(e.tcp6))
	}
	if e.udp != 0 {
		list = append(list, enr.UDP(e.udp))
	}
	return list
}

// nextRecord signs a record with these entries. If the previous record says the same,
// it stays, with its sequence number: a record that changes for nothing makes the whole
// network ask for it again. The first one starts from the time in milliseconds, so that
// a node that lost its data directory but not its key outranks what it said before.
func nextRecord(previous *enode.Node, key *ecdsa.PrivateKey, entries []enr.Entry, now time.Time) (*enode.Node, error) {
	seq := uint64(now.UnixMilli())
	if previous != nil && previous.ID() == enode.PubkeyToIDV4(&key.PublicKey) {
		same, err := signRecord(key, entries, previous.Seq())
		if err != nil {
			return nil, err
		}
		if equalRecords(same, previous) {
			return previous, nil
		}
		seq = previous.Seq() + 1
	}
	return signRecord(key, entries, seq)
}

func signRecord(key *ecdsa.PrivateKey, entries []enr.Entry, seq uint64) (*enode.Node, error) {
	var r enr.Record
	for _, e := range entries {
		r.Set(e)
	}
	r.SetSeq(seq)
	if err := enode.SignV4(&r, key); err != nil {
		return nil, fmt.Errorf("node record: %w", err)
	}
	n, err := enode.New(enode.ValidSchemes, &r)
	if err != nil {
		return nil, fmt.Errorf("node record: %w", err)
	}
	return n, nil
}

// equalRecords compares content and sequence number; a signature may differ each time.
func equalRecords(a, b *enode.Node) bool {
	return bytes.Equal(contentOf(a), contentOf(b))
}

func contentOf(n *enode.Node) []byte {
	elements := n.Record().AppendElements(nil)
	content, err := rlp.EncodeToBytes(elements)
	if err != nil {
		panic(err) // the elements come from a record that was encoded to be signed
	}
	return content
}

// ReadRecord reads the record that a node with this data directory keeps there.
func ReadRecord(dataDir string) (*enode.Node, error) {
	file := filepath.Join(dataDir, recordFile)
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("node record: %w", err)
	}
	n, err := enode.Parse(enode.ValidSchemes, strings.TrimSpace(string(text)))
	if err != nil {
		return nil, fmt.Errorf("node record %s: %w", file, err)
	}
	return n, nil
}

// lastRecord gives the record that the last run left in a data directory, nil if there
// is none. A file that can't be read or isn't a record tells nothing: all that it could
// say is known, except the number, which then starts from the time.
func lastRecord(dataDir string) (n *enode.Node, unreadable error) {
	if dataDir == "" {
		return nil, nil
	}
	n, err := ReadRecord(dataDir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return n, err
}

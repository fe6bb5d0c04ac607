package record

import (
	"bytes"
	"crypto/ecdsa"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"path/filepath"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/p2p/enode"
	"github.com/ethereum/go-ethereum/p2p/enr"
	"github.com/ethereum/go-ethereum/rlp"

	"github.com/troupe-p2p/troupe/node/datadir"
)

// recordFile is the name of the file with the node's signed record, in its text form, in a data
// directory.
const recordFile = "enr"

// renew makes the record from the current endpoint and attributes. changed is false if the
// record is the previous one. Open calls it first, and from then on the announcer.
func (r *Record) renew(previous *enode.Node) (changed bool, err error) {
	e := r.endpoint()
	attributes, err := r.Attributes()
	if err != nil {
		return false, err
	}
	var next *enode.Node
	if r.local != nil {
		r.announced.announce(r.local, e, attributes)
		next = r.local.Node()
	} else if next, err = after(previous, r.Key, append(e.entries(), attributes...), r.Runtime.Clock.Now()); err != nil {
		return false, err
	}
	r.current.Store(next)
	return next != previous, nil
}

// keep writes the record to the data directory, if there is one and does not have it. A failure
// is logged, and counted; the next call tries again.
func (r *Record) keep() {
	current := r.Node()
	if r.DataDir == "" || r.kept == current {
		return
	}
	r.counters.wrote.Add(1)
	if err := r.recordFile.Write([]byte(current.String() + "\n")); err != nil {
		r.counters.failed.Add(1)
		return
	}
	r.kept = current
}

// URL returns the enode URL by which other nodes reach this one. It has the address of the
// record. It is empty for a node that can't be reached by TCP.
func (r *Record) URL() string {
	self := r.Node()
	at, ok := self.TCPEndpoint()
	if !ok {
		return ""
	}
	udp := at.Port()
	if there, ok := self.UDPEndpoint(); ok {
		udp = there.Port() // a NAT may map each protocol to a different port
	}
	return r.URLAt(at, udp)
}

// URLAt returns the enode URL of the node at another endpoint.
func (r *Record) URLAt(at netip.AddrPort, udp uint16) string {
	return enode.NewV4(&r.Key.PublicKey, at.Addr().AsSlice(), int(at.Port()), int(udp)).URLv4()
}

// CheckSize returns an error if a record with these entries and addresses of both families is
// too large. go-ethereum panics on such a record.
func CheckSize(key *ecdsa.PrivateKey, attributes []enr.Entry) error {
	full := endpoint{ip4: netip.IPv4Unspecified(), ip6: netip.IPv6Unspecified(), tcp4: 1 << 15, tcp6: 1<<15 + 1, udp: 1 << 15}
	entries := append(full.entries(), enr.UDP6(1<<15+1))
	if _, err := sign(key, append(entries, attributes...), 1<<62); err != nil {
		return fmt.Errorf("entries of protocols in the node record: %w", err)
	}
	return nil
}

// after signs a record with these entries. It returns the previous record if the content is the
// same, because after a change the whole network requests the record again. The first sequence
// number is the time in milliseconds, so that a node that lost its data directory but not its
// key has a higher number than its earlier records.
func after(previous *enode.Node, key *ecdsa.PrivateKey, entries []enr.Entry, now time.Time) (*enode.Node, error) {
	seq := uint64(now.UnixMilli())
	if previous != nil && previous.ID() == enode.PubkeyToIDV4(&key.PublicKey) {
		same, err := sign(key, entries, previous.Seq())
		if err != nil {
			return nil, err
		}
		if equal(same, previous) {
			return previous, nil
		}
		seq = previous.Seq() + 1
	}
	return sign(key, entries, seq)
}

func sign(key *ecdsa.PrivateKey, entries []enr.Entry, seq uint64) (*enode.Node, error) {
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

// equal compares content and sequence number. A signature may differ each time.
func equal(a, b *enode.Node) bool {
	return bytes.Equal(content(a), content(b))
}

func content(n *enode.Node) []byte {
	elements := n.Record().AppendElements(nil)
	content, err := rlp.EncodeToBytes(elements)
	if err != nil {
		panic(err) // the elements come from a record that was encoded to be signed
	}
	return content
}

// Read reads the record that a node with this data directory has stored there.
func Read(dataDir string) (*enode.Node, error) {
	file := filepath.Join(dataDir, recordFile)
	text, err := datadir.Read(file)
	if err != nil {
		return nil, fmt.Errorf("read node record: %w", err)
	}
	n, err := enode.Parse(enode.ValidSchemes, strings.TrimSpace(string(text)))
	if err != nil {
		return nil, fmt.Errorf("read node record %s: %w", file, err)
	}
	return n, nil
}

// last returns the record that the last run left in a data directory, nil if there is none. If
// the file is unreadable, only the sequence number is lost, which then starts from the time.
func last(dataDir string) (n *enode.Node, unreadable error) {
	if dataDir == "" {
		return nil, nil
	}
	n, err := Read(dataDir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return n, err
}

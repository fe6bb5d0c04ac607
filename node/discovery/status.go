package discovery

import (
	"maps"

	"github.com/ethereum/go-ethereum/p2p/discover"
)

// Status is a snapshot of discovery. Its counts start with the node.
type Status struct {
	// V4 and V5 describe the node tables; nil means that the version is off or not up yet.
	V4 *Table `json:"v4,omitempty"`
	V5 *Table `json:"v5,omitempty"`
	// Sources contains the sources of candidates in use, by name.
	Sources map[string]Source `json:"sources"`
	// Refused counts the nodes that were found but refused, by cause.
	Refused map[string]uint64 `json:"refused"`
	// Wanted is the number of candidates that are requested and not yet found.
	Wanted int `json:"wanted"`
	// Packets counts the UDP packets received. Dropped counts those that reached no version of
	// discovery, by cause.
	Packets uint64            `json:"packets"`
	Dropped map[string]uint64 `json:"dropped"`
	// Sniffed counts the packets that Config.Sniff consumed. TalksRefused counts the TALKREQs that
	// got an empty answer because too many others were being answered.
	Sniffed      uint64 `json:"sniffed,omitempty"`
	TalksRefused uint64 `json:"talksRefused,omitempty"`
	// DNSFailures counts the failed DNS queries for node lists. DNSError is the last error; it is
	// empty after a success.
	DNSFailures uint64 `json:"dnsFailures"`
	DNSError    string `json:"dnsError,omitempty"`
}

// Table contains the number of nodes in a node table, and the number of those that have answered.
type Table struct {
	Nodes int `json:"nodes"`
	Live  int `json:"live"`
}

// Source counts the nodes found by one source, repetitions included, and those delivered as
// candidates.
type Source struct {
	Found uint64 `json:"found"`
	Given uint64 `json:"given"`
}

func (a *finder) status() *Status {
	s := &Status{
		Sources: map[string]Source{}, Refused: maps.Clone(a.filter.refused), Wanted: a.ledger.owed(),
	}
	s.Packets, s.Dropped = a.mux.traffic.packets()
	s.Sniffed, s.TalksRefused = a.mux.traffic.sniffed.Load(), a.mux.traffic.talks.Load()
	s.DNSFailures, s.DNSError = a.lists.failures()
	for name, t := range a.tallies {
		s.Sources[name] = Source{Found: t.found, Given: t.given}
	}
	if a.up {
		if v4 := a.session.v4; v4 != nil {
			s.V4 = tableOf(v4.TableBuckets())
		}
		if v5 := a.session.v5; v5 != nil {
			s.V5 = tableOf(v5.Nodes())
		}
	}
	return s
}

func tableOf(buckets [][]discover.BucketNode) *Table {
	var t Table
	for _, b := range buckets {
		t.Nodes += len(b)
		for i := range b {
			if b[i].Live {
				t.Live++
			}
		}
	}
	return &t
}

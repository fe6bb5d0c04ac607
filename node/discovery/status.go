package discovery

import (
	"maps"

	"github.com/ethereum/go-ethereum/p2p/discover"
)

// Status is how discovery is getting on. Counts are since the node's start.
type Status struct {
	// V4 and V5 are the node tables; nil: that version is off, or not up yet.
	V4 *Table `json:"v4,omitempty"`
	V5 *Table `json:"v5,omitempty"`
	// Sources are the sources of candidates that are in use, by name.
	Sources map[string]Source `json:"sources"`
	// Refused counts the nodes that were found and are no candidates, by cause.
	Refused map[string]uint64 `json:"refused"`
	// Wanted is how many candidates are asked for and not yet found.
	Wanted int `json:"wanted"`
	// Packets counts the UDP packets that came in, Dropped those that no version of
	// discovery saw, by cause.
	Packets uint64            `json:"packets"`
	Dropped map[string]uint64 `json:"dropped"`
	// Sniffed counts those of them that Config.Sniff took, and TalksRefused the TALKREQs that
	// got an empty answer because too many others were being answered.
	Sniffed      uint64 `json:"sniffed,omitempty"`
	TalksRefused uint64 `json:"talksRefused,omitempty"`
	// DNSFailures counts the DNS queries for node lists that failed; DNSError is the
	// last error, empty after a success.
	DNSFailures uint64 `json:"dnsFailures"`
	DNSError    string `json:"dnsError,omitempty"`
}

// Table says how many nodes a node table has, and how many of them have answered.
type Table struct {
	Nodes int `json:"nodes"`
	Live  int `json:"live"`
}

// Source counts the nodes that came from one source, repetitions included, and those that
// were given to somebody as candidates.
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
	s.DNSFailures, s.DNSError = a.lists.trouble()
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

package discovery

import (
	"github.com/ethereum/go-ethereum/p2p/discover"
)

// State is a snapshot of discovery. Its counts start with the node and only grow.
type State struct {
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

// State returns a snapshot. It is safe from any goroutine.
func (h *shared) State() State {
	s := State{Sources: map[string]Source{}, Refused: h.filter.refused.snapshot(), Wanted: int(h.wanted.Load())}
	s.Packets, s.Dropped = h.mux.traffic.packets()
	s.Sniffed, s.TalksRefused = h.mux.traffic.sniffed.Load(), h.mux.traffic.talks.Load()
	s.DNSFailures, s.DNSError = h.lists.failures()
	for name, t := range h.tallies {
		s.Sources[name] = Source{Found: t.found.Load(), Given: t.given.Load()}
	}
	if open := h.current.Load(); open != nil {
		if open.v4 != nil {
			s.V4 = tableOf(open.v4.TableBuckets())
		}
		if open.v5 != nil {
			s.V5 = tableOf(open.v5.Nodes())
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

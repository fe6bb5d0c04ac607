package nat

import (
	"fmt"
	"net/netip"
	"time"
)

// State is how things stand, see the package's documentation.
type State uint8

const (
	Searching State = iota
	Mapped
	Degraded
	Unmapped
	DoubleNAT
)

func (s State) String() string {
	switch s {
	case Searching:
		return "searching"
	case Mapped:
		return "mapped"
	case Degraded:
		return "degraded"
	case Unmapped:
		return "unmapped"
	case DoubleNAT:
		return "double NAT"
	}
	return "unknown"
}

// MarshalText implements encoding.TextMarshaler.
func (s State) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (s *State) UnmarshalText(text []byte) error { return byName(s, DoubleNAT, text) }

// byName finds the value, up to the last one, that calls itself so.
func byName[T interface {
	~uint8
	fmt.Stringer
}](to *T, last T, text []byte) error {
	for v := range last + 1 {
		if v.String() == string(text) {
			*to = v
			return nil
		}
	}
	return fmt.Errorf("nat: %T %q is not one that we know", *to, line(string(text)))
}

// Status is a snapshot of the actor, for people and for JSON.
type Status struct {
	State    State           `json:"state"`
	Since    time.Time       `json:"since"`
	Method   Method          `json:"method,omitempty"`
	Router   Router          `json:"router"`
	External ExternalAddress `json:"external"`
	Ports    []PortStatus    `json:"ports"`
	Problems []string        `json:"problems,omitempty"` // what kept routers from serving us, in words
	NextTry  time.Time       `json:"next_try,omitzero"`  // when a search is planned
}

// PortStatus is one port of ours.
type PortStatus struct {
	Protocol  string       `json:"protocol"`
	Internal  InternalPort `json:"internal"`
	External  ExternalPort `json:"external,omitempty"` // 0: not mapped
	Ends      time.Time    `json:"ends,omitzero"`      // of the lease
	Permanent bool         `json:"permanent,omitempty"`
	Proved    bool         `json:"proved"` // somebody came in through it
	LastError string       `json:"last_error,omitempty"`
}

// The actions that a machine asks of its actor. op is the number under which the
// answer is expected.
type (
	doSearch struct{ search uint64 }
	doRead   struct {
		op     uint64
		mapper Mapper
	}
	doMap struct {
		op      uint64
		mapper  Mapper
		request Request
	}
	doVerify struct {
		op      uint64
		mapper  Mapper
		mapping Mapping
	}
	doUnmap struct {
		op      uint64 // 0: nobody waits for it
		mapper  Mapper
		mapping Mapping
	}
	doPublish struct{ address ExternalAddress }
	doRecord  record
)

// notice is what the watcher saw.
type notice struct {
	kind  noticeKind
	id    string // UPnP unique device name
	boot  string // SSDP boot id
	place string // SSDP LOCATION
	epoch Epoch
	ip    netip.Addr // external address that a NAT-PMP announcement tells
}

type noticeKind uint8

const (
	noticeAlive    noticeKind = iota + 1 // SSDP: a gateway says that it is there
	noticeBye                            // SSDP: a gateway says that it leaves
	noticeAnnounce                       // NAT-PMP or PCP: address or clock changed
	noticeLocal                          // our own routes or addresses changed
)

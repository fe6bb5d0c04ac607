package nat

import (
	"fmt"
	"net/netip"
	"time"
)

// State is the state of the port mapping; the package documentation lists the states.
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

// byName sets *to to the value, up to and including last, whose String is text.
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
	return fmt.Errorf("nat: unknown %T %q", *to, line(string(text)))
}

// Status is a snapshot of the actor, for people and for JSON.
type Status struct {
	State    State           `json:"state"`
	Since    time.Time       `json:"since"`
	Method   Method          `json:"method,omitempty"`
	Router   Router          `json:"router"`
	External ExternalAddress `json:"external"`
	Ports    []PortStatus    `json:"ports"`
	Problems []string        `json:"problems,omitempty"` // why no router serves this node
	NextTry  time.Time       `json:"next_try,omitzero"`  // when the next search is planned
}

// PortStatus is the state of one local port.
type PortStatus struct {
	Protocol  string       `json:"protocol"`
	Internal  InternalPort `json:"internal"`
	External  ExternalPort `json:"external,omitempty"` // 0: not mapped
	Ends      time.Time    `json:"ends,omitzero"`      // of the lease
	Permanent bool         `json:"permanent,omitempty"`
	Proved    bool         `json:"proved"` // a remote connected through it
	LastError string       `json:"last_error,omitempty"`
}

// The actions that a machine requests from its actor. op is the number of the call; the result
// carries the same number.
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
		op      uint64 // 0: no result is expected
		mapper  Mapper
		mapping Mapping
	}
	doPublish struct{ address ExternalAddress }
	doRecord  record
)

// notice is an event that the watcher observed.
type notice struct {
	kind  noticeKind
	id    string // UPnP unique device name
	boot  string // SSDP boot id
	place string // SSDP LOCATION
	epoch Epoch
	ip    netip.Addr // external address in a NAT-PMP announcement
}

type noticeKind uint8

const (
	noticeAlive    noticeKind = iota + 1 // SSDP: a gateway announces that it is present
	noticeBye                            // SSDP: a gateway announces its departure
	noticeAnnounce                       // NAT-PMP or PCP: address or clock changed
	noticeLocal                          // this host's routes or addresses changed
)

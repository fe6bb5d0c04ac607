package actors

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/troupe-p2p/troupe/actors/supervise"
	"github.com/troupe-p2p/troupe/wire"
)

// Protocol is all that a link knows of a subprotocol: its place among the
// message codes, how its actor is restarted, how much it may hold, and how to
// mount it.
type Protocol struct {
	Name    string // capability name, at most eight ASCII characters
	Version uint
	Length  uint64 // how many message codes it owns

	Restart   supervise.Restart
	Intensity supervise.Intensity // zero: 5 restarts a minute

	Budget      int64 // inbound bytes read and not yet handled; 0: [DefaultBudget]
	HighWater   int   // outbox bytes above which nothing inbound is fed; 0: [DefaultHighWater]
	OutboxLimit int   // outbox bytes above which a Send is refused; 0: [DefaultOutboxLimit]

	// Urgent says which messages, by their codes, go ahead of the others in the
	// outbox, also when it is full, by up to 64 KiB. Nil: none.
	Urgent func(code uint64) bool

	// Mount is called once for each link. What it returns is called once for
	// each incarnation on that link: at the start and at each restart.
	Mount func(h *Host) func() Behaviour
}

// What a protocol may hold on one link unless it says otherwise, in bytes.
const (
	DefaultBudget      = 1 << 20
	DefaultHighWater   = 256 << 10
	DefaultOutboxLimit = 1 << 20
)

// Cap is the protocol as it stands in a Hello.
func (p Protocol) Cap() wire.Cap { return wire.Cap{Name: p.Name, Version: p.Version} }

func (p Protocol) withDefaults() Protocol {
	if p.Budget == 0 {
		p.Budget = DefaultBudget
	}
	if p.HighWater == 0 {
		p.HighWater = DefaultHighWater
	}
	if p.OutboxLimit == 0 {
		p.OutboxLimit = DefaultOutboxLimit
	}
	return p
}

// Behaviour is one incarnation of a protocol on one link. Its methods are called
// by the host actor, one at a time. A panic in any of them is a crash: the
// incarnation is given up and, as its Restart says, another one made.
type Behaviour interface {
	// Up tells that the link is there: after *actor.Started, at the start and
	// after each restart.
	Up(ctx actor.Context)
	// Message handles one inbound message. An error is the remote's doing and
	// ends the link as a breach of protocol; if it is a *Cause, with that cause.
	Message(ctx actor.Context, in Inbound) error
	// Drained tells that the outbox has room again: once after each run of
	// refused Sends.
	Drained(ctx actor.Context)
	// Other gets what else is in the mailbox: protoactor's lifecycle messages
	// and what other actors sent.
	Other(ctx actor.Context)
	// Down tells that the link has ended. It comes before *actor.Stopping.
	Down(ctx actor.Context, cause *Cause)
}

// Inbound is one message as it came from the remote.
type Inbound struct {
	Code       uint64    // counted from the protocol's own zero
	Payload    []byte    // RLP, decompressed; belongs to the handler until it returns (R5)
	ReceivedAt time.Time // one clock reading for all that came in one read
	WireSize   int       // bytes of the frame's data as received, compressed
}

// CodeError refuses to send a message code that the protocol does not own.
type CodeError struct {
	Protocol string // name/version
	Code     uint64
	Length   uint64
}

func (e *CodeError) Error() string {
	return fmt.Sprintf("message code 0x%02x is beyond %s, which has %d codes", e.Code, e.Protocol, e.Length)
}

// Matched is a protocol that both nodes speak, with the first message code that
// it has on the wire.
type Matched struct {
	Protocol
	Offset uint64
}

// Match finds what the two nodes share: of each name the highest version that
// both have, laid out from code 16 in the order of the names (RLPx, "Message
// ID-based Multiplexing").
func Match(local []Protocol, remote []wire.Cap) []Matched {
	best := map[string]Protocol{}
	for _, p := range local {
		if !slices.Contains(remote, p.Cap()) {
			continue
		}
		if have, ok := best[p.Name]; !ok || have.Version < p.Version {
			best[p.Name] = p
		}
	}
	shared := make([]Matched, 0, len(best))
	for _, p := range best {
		shared = append(shared, Matched{Protocol: p})
	}
	slices.SortFunc(shared, func(a, b Matched) int { return strings.Compare(a.Name, b.Name) })
	offset := uint64(wire.BaseLength)
	for i := range shared {
		shared[i].Offset = offset
		offset += shared[i].Length
	}
	return shared
}

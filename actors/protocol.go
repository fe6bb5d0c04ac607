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

// Protocol is what a link knows about a subprotocol: its message codes, its restart policy, its
// memory limits, and how to mount it.
type Protocol struct {
	Name    string // capability name, at most eight ASCII characters
	Version uint
	Length  uint64 // number of message codes

	Restart   supervise.Restart
	Intensity supervise.Intensity // zero: 5 restarts a minute

	Budget      int64 // inbound bytes read and not yet handled; 0: [DefaultBudget]
	HighWater   int   // outbox bytes of answers above which nothing inbound is delivered; 0: [DefaultHighWater]
	OutboxLimit int   // outbox bytes above which a Send is refused; 0: [DefaultOutboxLimit]

	// Urgent reports whether messages of this code go ahead of the others in the outbox. They may
	// exceed the outbox limit by up to 64 KiB. Nil: none are urgent.
	Urgent func(code uint64) bool

	// MaxSize has the largest size of a message in bytes, by message code. 0, or no entry: any size.
	// A larger message is not decompressed: the behaviour gets it without a payload, and must end
	// the link.
	MaxSize []int

	// Mount is called once for each link. The function that it returns is called once for each
	// incarnation on that link: at the start and at each restart.
	Mount func(h *Host) func() Behaviour
}

// The default limits of a protocol on one link, in bytes.
const (
	DefaultBudget      = 1 << 20
	DefaultHighWater   = 256 << 10
	DefaultOutboxLimit = 1 << 20
)

// Cap returns the protocol as a Hello lists it.
func (p Protocol) Cap() wire.Cap { return wire.Cap{Name: p.Name, Version: p.Version} }

// tooLarge reports whether a message of that size in bytes exceeds MaxSize.
func (p *Protocol) tooLarge(code uint64, size int) bool {
	return code < uint64(len(p.MaxSize)) && p.MaxSize[code] > 0 && size > p.MaxSize[code]
}

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

// Behaviour is one incarnation of a protocol on one link. The host actor calls its methods, one
// at a time. A panic in any of them is a crash: the incarnation is discarded and its Restart
// decides whether a new one is made.
type Behaviour interface {
	// Up is called when the link is ready: after *actor.Started, at the start and after each
	// restart.
	Up(ctx actor.Context)
	// Message handles one inbound message. An error means that the remote sent something invalid;
	// it ends the link with a protocol error or, if it is a *Cause, with that cause.
	Message(ctx actor.Context, in Inbound) error
	// Drained is called when the outbox has room again: once after each run of refused Sends.
	Drained(ctx actor.Context)
	// Other receives every other message in the mailbox: protoactor's lifecycle messages and
	// messages from other actors.
	Other(ctx actor.Context)
	// Down is called when the link has ended, before *actor.Stopping.
	Down(ctx actor.Context, cause *Cause)
}

// Inbound is one message from the remote.
type Inbound struct {
	Code       uint64    // the protocol's own code, counted from 0
	Payload    []byte    // RLP, decompressed; belongs to the handler until it returns (R5)
	Size       int       // bytes of Payload, which is nil if Size is more than MaxSize allows
	ReceivedAt time.Time // one clock reading for all messages of one read
	WireSize   int       // bytes of the frame's data as received, compressed
}

// CodeError is the error of a Send whose message code the protocol does not own.
type CodeError struct {
	Protocol string // name/version
	Code     uint64
	Length   uint64
}

func (e *CodeError) Error() string {
	return fmt.Sprintf("message code 0x%02x is beyond %s, which has %d codes", e.Code, e.Protocol, e.Length)
}

// Matched is a protocol that both nodes speak, with its first message code on the wire.
type Matched struct {
	*Protocol // of this node's list
	Offset    uint64
}

// Match returns the protocols that the two nodes share: for each name the highest version that
// both have, with codes assigned from 16 upwards in the order of the names (RLPx, "Message
// ID-based Multiplexing").
func Match(local []Protocol, remote []wire.Cap) []Matched {
	best := map[string]*Protocol{}
	for i := range local {
		p := &local[i]
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

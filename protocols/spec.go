package protocols

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"reflect"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/ethereum/go-ethereum/p2p/enr"

	"github.com/troupe-p2p/troupe/actors"
)

// Spec is what a node needs to know about a protocol.
type Spec struct {
	// Name is the capability name, one to eight printable ASCII characters.
	Name string
	// Versions are the versions that this node speaks. A link uses the highest one that both
	// nodes have.
	Versions []Version
	// New makes the actor of one link, at the start and after each crash.
	New func() actor.Actor
	// Service, if set, makes the one actor that the protocol has on a node besides those of its
	// links, at the node's start and after each of its crashes. It is for state that links share.
	// See [LinkJoined].
	Service func() actor.Actor
	// Provision, if set, prepares the protocol for one run on a node, before anything else of it
	// runs there: it opens what the actors share, such as a database in [Env.Dir], keeps the Env
	// if they need it, and registers with [Env.Cleanup] what is to be closed at the end. It is
	// called when the node starts, and when the protocol is added to a running node; an error
	// keeps the one or the other from happening. Its context ends when it returns, or earlier if
	// the start is cancelled or the node stops: then it should return soon. While the node
	// starts, the node's methods return what they return before Start. Before Provision, only
	// NodeInfo and API may be called. If it keeps state for the actors, the Spec belongs to one
	// node.
	Provision func(context.Context, *Env) error
	// StopTimeout is how long the service may take to stop, after all its links have ended:
	// its handlers of *actor.Stopping and *actor.Stopped may block for so long, to write to
	// disk what it has in memory. What Provision registered with [Env.Cleanup] runs within the
	// same time. Zero: [DefaultStopTimeout]. At most [MaxStopTimeout]. A service that takes longer
	// is named in the log, and the node does not wait for it.
	StopTimeout time.Duration

	// Flags, if set, are the protocol's flags for a command line. The name of each begins with
	// the protocol's name and a dot, as in shh.pow. A program that runs the protocol offers them
	// to its user, as command node does, and sets their values before it makes the node: see the
	// example. Values must not change later. Package flag has each flag's name, usage and default.
	Flags *flag.FlagSet

	Restart   Restart   // zero: Transient
	Intensity Intensity // zero: 5 restarts a minute
	Limits    Limits
	// OnlyAsked ends the link, with [ErrUnasked], at an answer to a request that was never sent or has
	// its answer. Answers to requests that timed out or were cancelled are dropped and counted, as all
	// such answers are without it.
	OnlyAsked bool

	// PeerInfo, if set, returns the protocol's state on a link, for lists of peers: any value
	// that encodes as JSON. It is called from any goroutine, with the shared handle. nil means
	// that the handshake is not finished.
	PeerInfo func(*Link) any
	// NodeInfo, if set, returns the protocol's state on this node, in the same form.
	NodeInfo func() any

	// API, if set, is served over JSON-RPC by the node's admin API while the protocol runs: its
	// exported methods as name_method, see admin.API. They are called from any goroutine.
	API any

	// Attributes, if set, returns the protocol's entries in the node's record (EIP-778), such as
	// eth's fork id (EIP-2124). It is called every few seconds, from any goroutine, and a change
	// becomes a new record: it must return a new list each time, with the same values while
	// nothing has changed. The whole record must fit in 300 bytes.
	Attributes func() []enr.Entry
	// Wants, if set, reports by a node's record whether the node is worth a dial for this
	// protocol. It is called from any goroutine, and must not block. Nil: every node is.
	Wants func(*enr.Record) bool
}

// Version is one version of a protocol.
type Version struct {
	Number uint
	Length uint64 // number of message codes on the wire; a part of the protocol
	// Messages are the types in the order of their codes. A code below Length without an entry is
	// a protocol error.
	Messages []Message
	// Handshake, if set, is the first message of both nodes.
	Handshake *Handshake
}

// Limits bound what a protocol holds on one link, in bytes unless stated otherwise. Zero means
// the default.
type Limits struct {
	Inbound   int64 // read and not yet handled; 1 MiB
	Outbox    int   // sent and not yet written, beyond which Send is refused; 1 MiB
	HighWater int   // sent and not yet written, beyond which nothing is delivered; a quarter of Outbox
	Asks      int   // unanswered requests, beyond which Ask is refused; 64
}

func (l Limits) withDefaults() Limits {
	if l.Inbound == 0 {
		l.Inbound = actors.DefaultBudget
	}
	if l.Outbox == 0 {
		l.Outbox = actors.DefaultOutboxLimit
	}
	if l.HighWater == 0 {
		l.HighWater = max(1, l.Outbox/4)
	}
	if l.Asks == 0 {
		l.Asks = DefaultAsks
	}
	return l
}

func (l Limits) check() error {
	if l.Inbound < 0 || l.Outbox < 0 || l.HighWater < 0 || l.Asks < 0 {
		return errors.New("negative limit")
	}
	if d := l.withDefaults(); d.HighWater > d.Outbox {
		// Otherwise Send would be refused before the remote is held back.
		return fmt.Errorf("HighWater of %d above an Outbox of %d", d.HighWater, d.Outbox)
	}
	return nil
}

// Check returns an error if the Spec is invalid, with the protocol, version and code.
func (s *Spec) Check() error {
	if err := checkName(s.Name); err != nil {
		return err
	}
	if s.New == nil {
		return fmt.Errorf("protocol %s: New is missing", s.Name)
	}
	if len(s.Versions) == 0 {
		return fmt.Errorf("protocol %s: no version", s.Name)
	}
	if err := s.Limits.check(); err != nil {
		return fmt.Errorf("protocol %s: %w", s.Name, err)
	}
	if s.StopTimeout < 0 || s.StopTimeout > MaxStopTimeout {
		return fmt.Errorf("protocol %s: StopTimeout of %v: want 0 to %v", s.Name, s.StopTimeout, MaxStopTimeout)
	}
	if err := s.checkFlags(); err != nil {
		return fmt.Errorf("protocol %s: %w", s.Name, err)
	}
	seen := map[uint]bool{}
	for i := range s.Versions {
		v := &s.Versions[i]
		if seen[v.Number] {
			return fmt.Errorf("protocol %s/%d: given twice", s.Name, v.Number)
		}
		seen[v.Number] = true
		if err := v.check(); err != nil {
			return fmt.Errorf("protocol %s/%d: %w", s.Name, v.Number, err)
		}
	}
	return nil
}

func checkName(name string) error {
	if name == "" || len(name) > 8 {
		return fmt.Errorf("protocol name %q: must have one to eight characters", name)
	}
	for _, c := range []byte(name) {
		if c <= ' ' || c > '~' || c == '/' || c == '$' {
			return fmt.Errorf("protocol name %q: character %q is not allowed", name, c)
		}
	}
	if name == "p2p" || name == "reader" || name == "pinger" {
		return fmt.Errorf("protocol name %q is reserved for the link itself", name)
	}
	return nil
}

// maxLength keeps the codes of all protocols of a link apart: they are added up and must not
// overflow.
const maxLength = 1 << 32

func (v *Version) check() error {
	if v.Length == 0 {
		return errors.New("no Length")
	}
	if v.Length > maxLength {
		return fmt.Errorf("a Length of %d, at most %d codes are allowed", v.Length, uint64(maxLength))
	}
	if uint64(len(v.Messages)) > v.Length {
		return fmt.Errorf("%d messages for a Length of %d", len(v.Messages), v.Length)
	}
	codes := map[reflect.Type]int{}
	for code, m := range v.Messages {
		switch m.kind {
		case missing:
			return fmt.Errorf("message 0x%02x is empty: use Type, Raw, Ignore or Unused", code)
		case typed:
			if first, ok := codes[m.typ]; ok {
				return fmt.Errorf("messages 0x%02x and 0x%02x are both %v", first, code, m.typ)
			}
			codes[m.typ] = code
			if err := m.check(); err != nil {
				return fmt.Errorf("message 0x%02x: %v can't be a message: %w", code, m.typ, err)
			}
		}
		if err := m.checkOptions(); err != nil {
			return fmt.Errorf("message 0x%02x: %w", code, err)
		}
	}
	if err := checkAnswers(v.Messages, codes); err != nil {
		return err
	}
	return v.Handshake.checkAmong(codes)
}

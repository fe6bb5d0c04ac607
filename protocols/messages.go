package protocols

import "time"

// The messages that a protocol's actor receives besides its own typed messages. The host sends
// them; AskFailed is in ask.go.

// LinkUp is sent when the link is up, after *actor.Started and before anything else. If the
// version has a Handshake, it is sent when that is done.
type LinkUp struct {
	Link      *Link // the actor's own handle; other senders use [Link.Shared]
	Restarted bool  // an earlier actor of this link has received its LinkUp
}

// LinkDown is sent when the link has ended, before *actor.Stopping. Nothing can be sent any more.
// If the remote ended the link, or the network failed, what had arrived before is delivered
// first, as far as that takes no longer than 250 ms: a Send in it returns [ErrLinkDown] already.
// A link that ends during its Handshake has neither LinkUp nor LinkDown.
type LinkDown struct {
	Cause *Cause
}

// Drained is sent when half of the outbox is free again: once after each run of Sends that were
// refused with ErrOutboxFull.
type Drained struct{}

// RawMessage is an undecoded message, for codes that the Spec declares [Raw]. It is valid until
// Receive returns; copy what is needed longer.
//
// It can be sent as well, with a Payload that is RLP already.
type RawMessage struct {
	Code       uint64 // the protocol's own code, counted from 0
	Payload    []byte
	ReceivedAt time.Time
}

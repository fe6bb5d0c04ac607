package protocols

import "time"

// What a protocol's actor receives beside its own typed messages. All of it is
// sent by the host; AskFailed stands with what it is about, in ask.go.

// LinkUp tells that the link is there, after *actor.Started and before anything
// else. Where the version has a Handshake, it comes when that is done.
type LinkUp struct {
	Link      *Link // the actor's own handle; for other senders there is [Link.Shared]
	Restarted bool  // an earlier actor of this link had got its LinkUp
}

// LinkDown tells that the link has ended, before *actor.Stopping. Nothing can be
// sent any more. A link that ends during its Handshake had no LinkUp, and has none of
// these either.
type LinkDown struct {
	Cause *Cause
}

// Drained tells that half of the outbox is free again. It comes once after each
// run of Sends that were refused with ErrOutboxFull.
type Drained struct{}

// RawMessage is a message as it came, for codes that the Spec declares [Raw]. It
// is valid until Receive returns; what must live longer is copied.
//
// It can be sent too, with a Payload that is RLP already.
type RawMessage struct {
	Code       uint64 // counted from the protocol's own zero
	Payload    []byte
	ReceivedAt time.Time
}

// Package actors is one link to a remote node: a small supervision tree of a peer actor and,
// under it, a reader, a pinger and one host actor for each subprotocol that both nodes speak.
//
//	peer-9f3c61aa          supervises its children, mints and grants the write token
//	├─ eth, chat, …        hosts: deliver messages to a protocol's behaviour, write what it sends
//	├─ pinger              keep-alive and round-trip time
//	└─ reader              owns the goroutine that reads; if it ends, the link ends
//
// # Messages
//
// The reader's goroutine puts batches of opened, decompressed messages directly into the inbox
// of the host that owns their codes. A host requests the token from the peer (RequestWrite),
// receives it (WriteToken), writes what it has queued, and returns it (ReturnToken). The reader
// reports pings (pongsDue) to the peer. Any code that ends a link sets the cause and sends
// closeLink. The peer's owner receives LinkEnded.
//
// No actor waits for another. These block: one goroutine that reads (a quiet link has none, see
// parkedSocket), a host's own turn while the
// kernel takes its bytes, and two short-lived goroutines of the peer, which answer pings and
// send the Disconnect.
//
// # The token
//
// A connection has one frame writer, because RLPx's cipher and MAC advance with every frame. The
// right to use it is one message:
//
//   - T1: the peer has the token, or one child has it, or the link is closing.
//   - T2: the frame writer is reachable through the token alone.
//   - T3: a stale token cannot write; each grant is a new object.
//   - T4: a holder that crashes while writing ends the link; one that crashes before or after
//     does not.
//   - T5: first come, first served, but the pinger and the peer go ahead.
//   - T6: Disconnect goes before everything; the remaining sealed bytes and one Disconnect get a
//     second.
//   - T7: a grant that its holder has not begun to use is taken back after a few milliseconds if
//     another child waits; at once if it was granted without a request, because the token rests
//     with the protocol that had it last.
//
// The rules are in arbiter (token.go), which needs no actor.
//
// # Inbound messages
//
//   - R1: what is read and not handled stays within a budget for each protocol and a pool for the
//     node; beyond it the reader stops reading.
//   - R2: a host delivers nothing while the answers in its outbox are over high water, or one was
//     refused. Answers are what the behaviour's own handle (Host.Answer) sends while a handler is
//     at work; what others send (Host.Send) is bounded by R7 alone.
//   - R3: the messages of a protocol are handled in the order of their arrival.
//   - R4: a panic loses the message being handled, and nothing else.
//   - R5: a payload belongs to the handler until it returns; an idle link holds no buffer, and
//     after five seconds neither cipher state nor, on Linux, a goroutine (see cooling).
//   - R6: a stalled protocol costs the others nothing until its budget is full, and ends the link
//     after 20 s without progress.
//   - R7: Send never grows memory without bound: it refuses, and one Drained follows.
//   - R8: what messages expand beyond eight times their size on the wire (small ones sixteen)
//     comes out of an allowance of their link, for which its reader waits. The links of a node
//     decompress such messages one at a time. A goroutine with much to do lets others run every
//     millisecond.
//
// # Supervision
//
// Package actors/supervise has the guard, the supervisor, the journal, the mailbox and the clock
// of every actor.
package actors

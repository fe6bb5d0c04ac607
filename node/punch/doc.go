// Package punch connects two nodes that are both behind NATs. A neighbour that both can reach, the
// relay, helps: it connects them first by UDP, for discovery v5, then by TCP, for a link. The protocol
// is docs/hole-punching.md; this package implements one side of it.
//
//	dialer's handshake ── Reach ──▶ puncher ── Reached ──▶ handshake
//	announcer ── Mapped, Renewed ──▶ puncher ── Config.Changed ──▶ announcer
//	                                 │ ▲
//	                                 │ └── openAsked ── Service.Handle ◀── discovery v5's TALKREQ
//	                                 │ └── rung ─────── Service.Handle
//	                                 ├─ call-<id>     a call of this node, until it has a connection or fails
//	                                 │       ▲
//	                                 │       └── openerReceived ── Service.Sniff ◀── the UDP socket
//	                                 └─ answer-<id>   a call of another node for which a neighbour rang
//
// # Messages
//
// The node makes one [Service], passes its methods to discovery, and spawns the actor from
// [Service.Props] (permanent). What blocks (TALKREQs, connections) runs in goroutines that an actor
// started. A panic in such a goroutine is a crash of its actor.
//
// # Invariants
//
//   - A message from another node makes this node send at most one datagram. The datagram is no larger than
//     the message. It never goes to an address that only the sender names, unless that address is public
//     (see Config.Private). Limits for each node and each address bound the number of such datagrams. A
//     node that is rung also asks neighbours of its own for its TCP port, once in a call.
//   - A relay keeps nothing about a call except what the limits need. It uses only what is in
//     discovery's table.
//   - The node opens its NAT only for callers that a neighbour names, and only if the node chose that
//     neighbour itself. Only such a caller can make the node connect: OPEN needs the token of that RING.
//   - A connection in a message is closed if the actor that should receive it has stopped. A
//     connection that only keeps a port open closes when the context of its call ends.
//   - A puncher that stops or restarts begins no more calls, and notifies every actor that asked for one.
//   - Calls are bounded in number and time. Each ends with a connection or a reason, which is counted.
//   - The belief about the NAT is based on what neighbours observe. It changes when two of them agree.
package punch

// Package punch brings two nodes behind NATs together, with the help of a neighbour that both
// can reach: first by UDP, for discovery v5, then by TCP, for a link. docs/hole-punching.md
// is the protocol; this package is one side of it.
//
//	dialer's handshake ── Reach ──▶ puncher ── Reached ──▶ handshake
//	announcer ── Mapped, Renewed ──▶ puncher ── Config.Changed ──▶ announcer
//	                                 │ ▲
//	                                 │ └── asked ── Service.Handle ◀── discovery v5's TALKREQ
//	                                 │ └── opener ── Service.Sniff ◀── the UDP socket
//	                                 ├─ call-<id>     one call of ours, until there is a connection or none
//	                                 └─ answer-<id>   one call that we were rung for
//
// # Who talks to whom
//
// The node makes one [Service], gives its methods to discovery, and spawns the actor from
// [Props] (permanent). What blocks (TALKREQs, connections) runs in goroutines that
// an actor started, whose panic is the actor's crash.
//
// # Invariants
//
//   - Whatever others send makes us send one datagram for each message at most, no larger than
//     the message, never to an address that only they name unless it is public (see
//     Config.Private), and no more of them than the limits say, for a node and for an address.
//     Who is rung also asks neighbours of its own for its TCP port, once in a call.
//   - A relay knows of a call no more than the limits need: what stands in the table of
//     discovery is all that it goes by.
//   - We open our NAT for those whom a neighbour names that we chose ourselves, and for nobody else. Nobody
//     else has us connect, either: OPEN needs the token of that RING.
//   - Connections on their way to an actor are closed if it is gone, and what only keeps a port
//     ends with the context of its call.
//   - A puncher that stops or restarts begins nothing more, and tells those who asked.
//   - Calls are bounded in number and time; each ends with a connection or a reason, which is
//     counted.
//   - What we believe of our NAT comes from what neighbours observed, and changes when two of
//     them say so.
package punch

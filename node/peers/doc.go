// Package peers decides which nodes may be peers, and owns the links to them.
//
// The [Table] has the links, the connections that are being set up, and the rules of
// admission. It is a plain value with a lock of its own: every actor and method calls it
// directly. The peers actor adds and removes links, and supervises their actors.
//
// # Messages
//
//   - A handshake (package setup) calls [Table.Admit] when the remote has proved its identity,
//     and sends *[Establish] with a finished session. The actor checks admission once more,
//     spawns the link (package actors) and sends *[LinkUp] to the dialer.
//   - setup sends *[SetupEnded] when a handshake is over. The actor frees its place in the
//     table, and forwards the message to the dialer if it was a dial. Therefore the dialer
//     always receives the LinkUp of a dial before its SetupEnded.
//   - A link's peer actor sends *actors.LinkEnded. The actor removes the link, reports an
//     offence to the ban ledger, and sends *[LinkDown] to the dialer.
//   - Node's methods send *[Drop], *[DropProtocol] and *[DropBanned]; the root sends *[Drain].
//
// # Invariants
//
//   - A node is in the table at most once. An established link is never replaced. If two nodes
//     dial each other at the same time, both keep the dial of the node with the lower ID (see
//     [Table.Admit]).
//   - The number of peers never exceeds the limits, except for trusted nodes: admission is
//     checked before our ack, and again when the session is finished.
//   - No address and no network has more than its share of the places. Places are kept for
//     static nodes. Static and trusted nodes are never banned and never evicted.
//   - The table outlives the actor. A crash of the actor ends no link.
package peers

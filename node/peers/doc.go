// Package peers decides which nodes may be peers, and owns the links to them.
//
// The [Table] has the links, the connections that are being set up, and the rules of
// admission. It is a plain value with a lock of its own: every actor and method asks it
// directly. The peers actor adds and removes links, and supervises their actors.
//
// # Who talks to whom
//
//   - A handshake (package setup) asks [Table.Admit] when the remote has proved its identity,
//     and sends *[Establish] with a finished session. The actor admits the remote once more,
//     spawns the link (package actors) and sends *[LinkUp] to the dialer.
//   - setup sends *[SetupEnded] when a handshake is over. The actor frees its place in the
//     table, and passes the message on to the dialer if it was a dial: so the dialer always
//     hears of a link before it hears that the dial has ended.
//   - A link's peer actor sends *actors.LinkEnded. The actor removes the link, reports an
//     offence to the ban ledger, and sends *[LinkDown] to the dialer.
//   - Node's methods send *[Drop], *[DropProtocol] and *[DropBanned]; the root sends *[Drain].
//
// # Invariants
//
//   - A node is in the table at most once. An established link is never replaced. Of two
//     dials between two nodes at the same time, the one from the lower node ID stays, on both
//     sides (see [Table.Admit]).
//   - The number of peers never exceeds the limits, trusted nodes excepted: admission is
//     checked before our ack, and again with the session in hand.
//   - No address and no network has more than its share of the places. Static nodes have
//     places kept for them. Static and trusted nodes are never banned and never evicted.
//   - The table outlives the actor. A crash of the actor ends no link.
package peers

// Package node is a devp2p node: it listens, dials, decides whom to have as a peer, and
// runs one link (package actors) for each of them, with the protocols that it was given
// (package protocols). [New], [Node.Start] and [Node.Stop] embed it in a program; a
// process may run many.
//
//	node-1f0a9c3e       root: starts the others in order, stops them in reverse
//	├─ bans             keeps the bans in the data directory
//	├─ announcer        keeps the node's record true
//	├─ nat              maps ports at the router (package nat)
//	├─ discovery        finds nodes, and lets this one be found (package node/discovery)
//	├─ puncher          gets through NATs with the help of neighbours (package node/punch)
//	├─ service-…        the service of a protocol that has one (protocols.Spec.Service)
//	├─ peers            admits or refuses, owns the links, tells who came and went
//	│  └─ peer-…        one link each
//	├─ handshakes       one short-lived actor for each connection being set up
//	│  └─ inbound, outbound
//	├─ candidates       reads Config.Candidates, if there are any
//	├─ dialer           which static node or candidate to dial, when, and why not
//	├─ listener         accepts
//	└─ admin            serves JSON-RPC (package node/admin)
//
// # Who talks to whom
//
// The listener's goroutines hand accepted connections to handshakes, the dialer hands
// over its dials. A handshake asks peers for admission as soon as the remote's identity
// is known, and gets its verdict as a message; with a session in hand it gives connection
// and session to peers and ends. A handshake whose node can't be dialed asks the puncher for a
// connection, once. Peers spawns the link and tells the dialer. When a
// handshake is gone, its parent tells peers, and peers the dialer if it was a dial.
//
// The dialer asks discovery and candidates for nodes, as many as it has use for. The NAT
// actor tells the announcer where others reach us, and hears from handshakes and discovery
// that somebody came in. The puncher tells it what neighbours see, and is told in return when
// nobody's help is needed, and of each new record. It opens connections by way of the door,
// which the acceptors ask whether one that came in was agreed on; those of callers go from
// the puncher's actors to handshakes.
//
// What blocks (reading, writing, connecting, resolving names) runs in goroutines that
// belong to one actor and report to it. No actor waits for another.
//
// # Invariants
//
//   - A node is a member of the roster at most once; an established link is never
//     replaced. Of two dials between two nodes at the same moment, the one from the lower
//     ID stays, on both sides (roster.admitInbound says why).
//   - The number of peers never exceeds the limit, except by trusted ones: admission is
//     checked before our ack and again with the session in hand.
//   - A node is dialed at most once at a time, and so is an endpoint; no second has more dials
//     than Config.MaxDialRate. What strangers tell us of never grows memory without bound.
//   - Nobody takes more than a share of the places: who dials us, who lives at one address
//     or in one network. Static nodes have theirs kept.
//   - Static and trusted nodes are never banned, and never make room for others.
//   - What the node offers is one snapshot (offer), replaced when a protocol is added or
//     removed. A link runs the one that its Hello was made of; it becomes no link if what
//     it would run was removed meanwhile.
//   - Calls of the admin API wait for no actor. What they are served is one snapshot, too.
//   - A protocol's service is there before links that run it, and ends after them.
//   - Handshakes are bounded in number and in time, and so is what waits for one. A slot
//     in four is kept for known nodes.
//   - Each refusal has a name of its own (refusal.go), which the remote, the log and
//     [Node.Subscribe] are told.
//   - What must outlive a crash stands outside the actor that crashes: the roster, the
//     dial plan, the listening sockets. A crash of any actor here takes no link down.
//   - Stop ends in reverse order, each step within a deadline: nobody comes in any more,
//     peers are told 'client quitting', and the last one out is the root.
package node

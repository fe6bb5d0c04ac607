// Package node is a devp2p node: it listens, dials, decides which nodes are its peers, and
// runs one link (package actors) for each of them, with the configured protocols (package
// protocols). [New], [Node.Start] and [Node.Stop] embed it in a program. A process may run many
// nodes.
//
//	node-1f0a9c3e       root: starts the other actors in order, stops them in reverse
//	├─ bans             stores the bans in the data directory (package node/bans)
//	├─ announcer        keeps the node's record up to date (package node/record)
//	├─ nat              maps ports at the router (package nat)
//	├─ discovery        finds nodes, and lets other nodes find this one (package node/discovery)
//	├─ puncher          punches holes in NATs with the help of neighbours (package node/punch)
//	├─ service-…        the service of a protocol that has one (protocols.Spec.Service)
//	├─ peers            admits or refuses connections, owns the links (package node/peers)
//	│  └─ peer-…        one link each
//	├─ handshakes       starts one actor for each connection being set up (package node/setup)
//	│  └─ inbound, outbound
//	├─ candidates       reads Config.Candidates, if set (package node/dial)
//	├─ dialer           decides which static node or candidate to dial, and when (node/dial)
//	├─ listener         accepts connections (package node/listen)
//	└─ admin            serves JSON-RPC (package node/admin)
//
// This package has the configuration, the root, the functions that embedding programs call,
// and spawn.go, which fills each part's Config. A part gets a Config and never a *Node. Each
// part's doc.go lists the messages that it receives and sends.
//
// # Invariants
//
//   - Blocking operations (reading, writing, connecting, resolving names) run in goroutines
//     that belong to one actor and report to it. No actor waits for another.
//   - State that must outlive a crash is outside the actor that crashes: the table of peers,
//     the ban ledger, the dial plan, the record, the listening sockets. A crash of any actor
//     of this package ends no link.
//   - The offer of protocols is one snapshot (package node/offer), replaced when a protocol is
//     added or removed. A link runs the snapshot from which its Hello was made. A connection
//     does not become a link if a protocol that it would run was removed meanwhile.
//   - Calls of the admin API wait for no actor, but for a ban and its end, which are acknowledged
//     when the disk has them.
//   - A protocol's service starts before the links that run the protocol, and ends after them.
//   - Each reason for a refusal is an error of package node/refusal. The remote, the log and
//     [Node.Subscribe] get it.
//   - Stop ends the parts in reverse order, each step within a deadline: the node accepts no
//     more connections, disconnects its peers as 'client quitting', and ends the root last.
//     All services stop side by side, each within the time of its Spec.
package node

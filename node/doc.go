// Package node is a devp2p node: it listens, dials, decides which nodes are its peers, and
// runs one link (package actors) for each of them, with the protocols that it was given
// (package protocols). [New], [Node.Start] and [Node.Stop] embed it in a program; a process
// may run many.
//
//	node-1f0a9c3e       root: starts the others in order, stops them in reverse
//	├─ bans             keeps the bans in the data directory (package node/bans)
//	├─ announcer        keeps the node's record true (package node/record)
//	├─ nat              maps ports at the router (package nat)
//	├─ discovery        finds nodes, and lets this one be found (package node/discovery)
//	├─ puncher          gets through NATs with the help of neighbours (package node/punch)
//	├─ service-…        the service of a protocol that has one (protocols.Spec.Service)
//	├─ peers            admits or refuses, owns the links (package node/peers)
//	│  └─ peer-…        one link each
//	├─ handshakes       one short-lived actor for each connection being set up (package node/setup)
//	│  └─ inbound, outbound
//	├─ candidates       reads Config.Candidates, if there are any (package node/dial)
//	├─ dialer           which static node or candidate to dial, when, and why not (node/dial)
//	├─ listener         accepts (package node/listen)
//	└─ admin            serves JSON-RPC (package node/admin)
//
// This package has what is left: the configuration, the root, what embedding programs call,
// and spawn.go, which gives each part what it needs of the others. A part gets a Config and
// never a *Node. Each part's doc.go says which messages it gets and sends.
//
// # Invariants
//
//   - What blocks (reading, writing, connecting, resolving names) runs in goroutines that
//     belong to one actor and report to it. No actor waits for another.
//   - What must outlive a crash is outside the actor that crashes: the table of peers, the ban
//     ledger, the dial plan, the record, the listening sockets. A crash of any actor here ends
//     no link.
//   - What the node offers is one snapshot (package node/offer), replaced when a protocol is
//     added or removed. A link runs the snapshot of which its Hello was made. It becomes no
//     link if a protocol that it would run was removed meanwhile.
//   - Calls of the admin API wait for no actor.
//   - A protocol's service is there before the links that run it, and ends after them.
//   - Each refusal has a name of its own (package node/refusal), which the remote, the log and
//     [Node.Subscribe] get.
//   - Stop ends the parts in reverse order, each step within a deadline: no connection comes
//     in any more, peers are disconnected as 'client quitting', and the root ends last. All
//     services stop side by side, each within the time that its Spec asks for.
package node

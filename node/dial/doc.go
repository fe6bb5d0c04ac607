// Package dial decides which nodes to dial, and when: the static nodes until there is a link
// to each, and candidates from discovery and Config.Candidates while there is room.
//
// [plan] is a plain value. Its inputs are events and the time. It decides what to dial now, why
// not to dial a candidate, and when to check again. The dialer is the actor that carries it
// out.
//
// # Messages
//
//   - The dialer requests nodes from its sources (the discovery actor, and the iterator actor
//     that reads Config.Candidates) with *discovery.Request, as many as it can use, and receives
//     *discovery.Candidate.
//   - It sends setup *setup.StartDial and *setup.CancelDial, and receives *peers.LinkUp,
//     *peers.LinkDown and, for each dial, *peers.SetupEnded from peers.
//   - It requests the newest record of a static node that does not answer from discovery with
//     *discovery.Resolve, and receives *discovery.Resolved.
//   - Node's methods send *[AddStatic] and *[RemoveStatic].
//
// # Invariants
//
//   - D1: at most one dial at a time to a node, and to an endpoint. At most Config.PerSecond
//     dials begin within any second. A quarter of the dials in progress is kept for static
//     nodes.
//   - D2: static nodes are dialed until there is a link: after 1 s, doubling to a minute. A node
//     with several addresses is dialed at each in turn, without a pause between them. A new
//     address is dialed at once; it ends a dial to another one that has lasted for a second.
//   - D3: at most 64 candidates wait.
//   - D4: after a dial or a link, a node is not dialed for a pause that depends on the outcome
//     (see outcome). If no node answered, its address is not dialed either. 8192 nodes and as
//     many places are remembered.
//   - D5: a third of the peers is for dials; more if no node has dialed us for three minutes.
//   - D6: 'looking for peers' is logged while the node has dialed fewer than three of its
//     peers.
//   - D7: a dial that fails is followed by one call through NATs (package setup), if the node's
//     record says that it takes part, or the node is static.
//   - The plan outlives the dialer. A crash of either actor ends no link and forgets nothing.
package dial

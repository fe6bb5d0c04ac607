// Package discovery contains the actor that finds nodes: by discovery v4 and v5.1 on the same UDP
// port, and in DNS lists (EIP-1459). Packets, node tables and the node database are those of
// go-ethereum's packages p2p/discover, p2p/dnsdisc and p2p/enode.
//
//	dialer, crawl ── Request, Resolve ──▶ discovery ── Candidate, Resolved ──▶ dialer, crawl
//	                                      │ ▲
//	                                      ▼ │ opened, yielded, learned, reached, …
//	                   goroutines: one for each socket, one for each source,
//	                   short ones for opening, closing, records and searches
//
//	UDP socket ──▶ mux ─┬─▶ port ──▶ discover.UDPv4 ──▶ filter, lane ─┐
//	            ▲       ├─▶ port ──▶ discover.UDPv5 ──▶ filter, lane ─┼─▶ mix ──▶ the requester
//	            │       │   DNS ───▶ dnsdisc.Client ──▶ filter, lane ─┘
//	            │       └─▶ Config.Sniff: datagrams that look like STUN
//	            │
//	hole punching ── Line ──▶ discover.UDPv5 ── TALKREQ ──▶ Config.Talk
//
// # Messages
//
// The node opens the sockets and the node database, spawns one actor from [New] and supervises it
// (permanent). An actor that needs nodes sends [Request] and receives the requested number of
// [Candidate]s, in the order in which they are found. [Resolve] searches for the newest record of
// one node. [Discovery.State] is a
// snapshot. [Leave] ends the actor.
//
// Hole punching uses the socket and v5 directly, without the actor's mailbox: through a [Line] it
// sends requests to single nodes and sends datagrams, [TalkHandler]s answer TALKREQs, and
// Config.Sniff receives STUN datagrams. The actor connects the line to its session when the session
// is up, and disconnects it at the end, both in its own turns, so that no incarnation changes the
// line of another.
//
// # Invariants
//
//   - The actor never waits. Blocking work (opening and closing the library's transports, their
//     iterators, records, searches, names) runs in goroutines that it started. A panic there is a
//     crash of the actor.
//   - No requester receives more candidates than it requested, and no source is searched without a
//     request. Outstanding requests survive a crash.
//   - Sources take turns, one candidate each. A source without a candidate is skipped, never
//     awaited.
//   - At most laneDepth nodes of one source are pending. A source that finds only recently found
//     nodes rests for a short time.
//   - An empty node table is refilled with the bootnodes within refillEvery, whether candidates are
//     requested or not.
//   - No network of addresses (/24, for IPv6 /48) has more than its share of the candidates.
//   - A crash closes no socket: the mux is shared by the incarnations, and the next transports get
//     new ports on the same sockets.
//   - Incoming packets are limited before the library processes them. Each protocol has two queues,
//     one for endpoints to which this node has written and one for strangers. Both have a maximum
//     length, and a share and a turn for each endpoint: an endpoint that floods the node loses its
//     own packets. The known endpoints of one host have a rate limit together, and all strangers
//     have another one (both except on loopback), because each packet may cost a signature check,
//     an entry in maps that the library prunes after ten minutes, and one in the node database, which
//     expires after a day. Datagrams that look like STUN have rate limits of their own.
//   - At most 256 goroutines answer TALKREQs; further TALKREQs get an empty answer at once. The
//     library blocks for up to 0.4 s at a time when 1024 are being answered.
//   - The actor logs a socket that can't be read. The library would stop without a message.
//
// # Panics that can't be caught
//
// The library starts goroutines of its own: each transport has a reader, a loop for its table, one
// for its pending queries, and short ones for each query. A panic in one of them ends the process,
// because no recover of this package runs there. The risk is limited: packets that are too short or
// too long, packets from outside of NetRestrict and floods do not reach those goroutines; the
// library's authors fuzz its decoders, and most of the network runs them; and everything of this
// package (iterators, records, searches, TALKREQ handlers) runs in goroutines of this package.
//
// Its tables have a data race of a few nanoseconds (go-ethereum issue 31460, open at v1.17.10): a
// refresh that puts lost bootnodes back into the table doesn't wait for the loop that picks the
// next node to ping. The race detector reports it.
//
// After 32 unanswered queries in a row the library also asks pool.ntp.org for the time, to warn of
// a wrong clock. Its log goes to this package's log at debug level.
//
// # Addresses
//
// The library reports to [enode.LocalNode] the UDP endpoint at which peers see this node. After ten
// such reports within five minutes, from different addresses, the endpoint is entered in the
// record, unless a static address was set there. Its tables accept from one /24 at most two nodes
// in a bucket and ten in all; loopback and LAN addresses are exempt.
package discovery

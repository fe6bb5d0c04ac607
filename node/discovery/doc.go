// Package discovery is the actor that finds nodes: by discovery v4 and v5.1 on the same
// UDP port, and in DNS lists (EIP-1459). Packets, node tables and the node database are
// those of go-ethereum's packages p2p/discover, p2p/dnsdisc and p2p/enode.
//
//	dialer, crawl ── Request, Resolve ──▶ discovery ── Candidate, Resolved ──▶ dialer, crawl
//	                                      │ ▲
//	                                      ▼ │ opened, yielded, learned, reached, …
//	                   goroutines: one for each socket, one for each source,
//	                   short ones for opening, closing, records and searches
//
//	UDP socket ──▶ mux ─┬─▶ port ──▶ discover.UDPv4 ──▶ filter, lane ─┐
//	            ▲       ├─▶ port ──▶ discover.UDPv5 ──▶ filter, lane ─┼─▶ mix ──▶ whoever asked
//	            │       │   DNS ───▶ dnsdisc.Client ──▶ filter, lane ─┘
//	            │       └─▶ Config.Sniff: what looks like STUN
//	            │
//	hole punching ── Line ──▶ discover.UDPv5 ── TALKREQ ──▶ Config.Talk
//
// # Who talks to whom
//
// The node opens sockets and node database, spawns one actor from [Props] and supervises
// it (permanent). Whoever wants nodes sends [Request] and gets as many [Candidate]s as it
// asked for, in the order in which they are found. [Resolve] searches for one node's newest
// record. [StatusRequest] says how it goes. [Leave] ends the actor.
//
// Hole punching uses the socket and v5 itself, without the actor's mailbox between: it asks
// single nodes and sends datagrams by a [Line], answers TALKREQs by [TalkHandler]s, and gets
// what Config.Sniff takes. The actor sets the line to its session when that is up and
// clears it at the end, in its own turns, so that no incarnation sets it for another.
//
// # Invariants
//
//   - The actor never waits: what blocks (opening and closing the library's transports,
//     their iterators, records, searches, names) runs in goroutines that it started, whose
//     panic is its crash.
//   - Nobody gets more candidates than asked for, and nothing is searched for while nobody
//     asks. What is owed outlives a crash.
//   - Sources have their turn, one candidate each; one that has nothing is passed over, never
//     waited for.
//   - A source has at most laneDepth nodes on their way, and rests a little when all that it
//     finds was found a moment ago.
//   - No network of addresses (/24, for IPv6 /48) has more than its share of the candidates.
//   - A crash closes no socket: the mux stands outside the incarnations, and the next
//     transports get ports of the same sockets.
//   - What others send is bounded before the library sees it. Each protocol has two queues,
//     for endpoints that we have written to and for strangers; both have a length, and a
//     share and a turn for each endpoint: whoever floods us loses his own packets. Strangers
//     have a rate besides (not on loopback), because each of their packets may cost a
//     signature check, an entry in maps that the library prunes after ten minutes, and one
//     in the node database, which forgets after a day. What looks like STUN has such a rate
//     of its own.
//   - TALKREQs are answered by 256 goroutines at most, and all beyond at once by nothing. The
//     library stops for up to 0.4 s at a time when 1024 are being answered.
//   - A socket that can't be read from is told to the operator. The library would go silent.
//
// # What can't be caught
//
// The library starts goroutines of its own: each transport has a reader, a loop for its
// table and one for what it waits for, and short ones for each query. A panic in one of
// them ends the process; no recover of ours runs there. What bounds this: packets that
// are too short or too long, those from outside of NetRestrict and floods don't get there;
// the library's decoders are fuzzed by their authors and are what most of the network
// runs; and everything of ours (iterators, records, searches, what answers TALKREQs) runs
// in goroutines of ours.
//
// Its tables have a data race of a few nanoseconds (go-ethereum issue 31460, open at
// v1.17.10): a refresh that puts lost bootnodes back into the table doesn't wait for the
// loop that picks the next one to ping. The race detector sees it.
//
// It also asks the time of pool.ntp.org when 32 of its queries in a row had no answer, to
// warn of a wrong clock. Its log is ours at debug level.
//
// # Addresses
//
// The library tells [enode.LocalNode] what peers say of our UDP endpoint; ten of them in
// five minutes, from different addresses, and the record has it, unless a static address was
// set there. Its tables take at most two nodes of a bucket and ten in all from the same
// /24; loopback and LAN addresses are exempt.
package discovery

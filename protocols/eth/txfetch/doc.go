// Package txfetch decides which announced transactions to ask of which peer.
//
// A transaction that is announced first waits for half a second, because it is often pushed as
// well. Type-3 transactions, which are never pushed, do not wait. Then one of the peers that have
// announced it is asked, in batches, one request a peer. The others are in reserve: they are asked
// if the first does not have it, does not answer in five seconds, or leaves.
//
// Announced types and sizes are compared with what comes, and only a peer that is itself wrong is at
// fault: one that has announced something else, or one that has delivered what was not asked for, or
// a blob transaction that is not whole. The others keep their links, and are asked in its place.
//
// A peer may have [MaxAnnounced] transactions announced that have not come. One that announces what
// never comes may have fewer and fewer, and more again once it delivers.
//
// A [Fetcher] is a rule: it knows neither links nor clocks. Each method takes the time and returns
// [Actions]: the requests to send, the peers at fault, and when to call [Fetcher.Tick] at the latest.
// Its methods must be called from one goroutine at a time.
package txfetch

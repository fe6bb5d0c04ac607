// Package admin serves the node's JSON-RPC: on a unix socket for whoever owns the node,
// and, where it is asked for, by HTTP and WebSocket on one TCP listener. What is served are
// the exported methods of the values that the node gives it ([API]), in the way of
// go-ethereum's package rpc, which does the JSON-RPC itself.
//
//	unix socket ──▶ stream ──▶ rpc.Server with all namespaces
//	                  ▲
//	TCP ──▶ web ──────┤ WebSocket
//	         │        └─▶ rpc.Server with HTTP.Namespaces
//	         └─ HTTP ───────▶ the same
//
// # Who talks to whom
//
// The node opens the [Sockets] at its start, so that an address which is taken is an error
// there and then, spawns one actor from [Props], and supervises it (permanent). It tells the
// actor by [Changed] when namespaces came or went. Calls don't pass the actor: they
// run in goroutines of package rpc, which turns a method's panic into an error for the
// caller, and are the methods' own business from there on.
//
// # Invariants
//
//   - The unix socket is its owner's alone from the moment on when it exists. A socket that
//     a dead node left is replaced, that of a live one never.
//   - Namespace admin is served by TCP on loopback addresses only, to no web page of
//     whatever origin, and under no host name but those that were listed.
//   - What a client can make the node hold is bounded: connections, the size of a text, calls
//     under way and their bytes, the items of a batch, subscriptions. Beyond calls under way
//     nothing more is read, so that a client which does not take its answers stalls itself.
//   - An answer or a notification that can't be written within ten seconds ends its connection.
//   - Whoever is connected keeps the namespaces that there were when he came.
//   - A crash of the actor closes sockets and connections; the next incarnation opens them
//     anew, at the same addresses. No link is concerned.
package admin

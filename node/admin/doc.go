// Package admin serves the node's JSON-RPC: on a unix socket for the node's owner and, if
// configured, by HTTP and WebSocket on one TCP listener. It serves the exported methods of
// the values in [API]. go-ethereum's package rpc implements JSON-RPC itself.
//
//	unix socket ──▶ stream ──▶ rpc.Server with all namespaces
//	                  ▲
//	TCP ──▶ web ──────┤ WebSocket
//	         │        └─▶ rpc.Server with HTTP.Namespaces
//	         └─ HTTP ───────▶ the same
//
// # Messages
//
// The node opens the [Sockets] when it starts, so an address in use is an error of the
// start. It spawns one actor from [Props] and supervises it (permanent). It sends [Changed]
// to the actor when namespaces were added or removed. Calls don't pass through the actor:
// they run in goroutines of package rpc, which turns a method's panic into an error for the
// caller.
//
// # Invariants
//
//   - Only the owner can use the unix socket, from the moment it exists. A socket that a dead
//     node left is replaced; the socket of a running node never is.
//   - Namespace admin is served by TCP only on loopback addresses, and only to the listed
//     origins and under the listed host names: "*" is rejected.
//   - What a client can make the node hold is bounded: connections, the size of a text, calls
//     in progress and their bytes, the items of a batch, subscriptions. At the limit of calls
//     in progress the connection is not read, so a client that doesn't read its answers
//     stalls only itself.
//   - All transports answer a text alike: judge answers what is not JSON or too long a batch, and
//     drops what wants no answer. Package rpc answers the others. A connection that ends for a text
//     is read for a moment longer, so that a client that still writes gets the error.
//   - An answer or a notification that can't be written within ten seconds ends its connection.
//   - A client that sends nothing for ten seconds amid a request, or takes more than thirty for
//     it, loses its connection. Between two requests it may be silent.
//   - When all places of a listener are taken, the connection whose client has owed the next
//     request longest makes room for a new one. A connection that waits for an answer or has a
//     subscription never does, but for one place of the unix socket: the connection that got its place last makes room
//     after a second, so that the operator always gets in. By TCP a new connection gets an error.
//   - A connection keeps the namespaces that existed when it was accepted.
//   - A crash of the actor closes sockets and connections. The next incarnation opens the
//     same addresses again. No link of the node is affected.
package admin

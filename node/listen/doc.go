// Package listen has the listening sockets of a node: TCP for links, UDP for discovery.
//
// [Open] opens them before the actors start, and [Sockets.Close] closes them. The listener
// actor starts one goroutine for each TCP socket, which accepts connections and passes them to
// Config.Accept.
//
// # Messages
//
// The goroutines report errors to the actor. The actor sends no messages.
//
// # Invariants
//
//   - Sockets and goroutines outlive a crash of the actor: a goroutine that waits in Accept can
//     be stopped only by closing its socket. Only a goroutine that crashed is started again.
//   - A goroutine takes a credit before each connection. This limits the accepted connections
//     that wait in memory. More wait in the kernel.
//   - Either all addresses are open or none is. Addresses with port 0 get one port number,
//     which is free for TCP and UDP.
package listen

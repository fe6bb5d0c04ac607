// Package listen has the listening sockets of a node: TCP for links, UDP for discovery.
//
// [Sockets] opens them before the actors start, and closes them. The listener actor starts
// one goroutine for each TCP socket, which accepts and hands connections to Config.Accept.
//
// # Messages
//
// The goroutines report errors to the actor. The actor answers nothing.
//
// # Invariants
//
//   - Sockets and goroutines outlive the actor's incarnations: a goroutine that waits in
//     Accept can be stopped only by closing its socket. Only a goroutine that crashed is
//     started again.
//   - A goroutine takes a credit before each connection, so that the accepted connections
//     that wait in memory are bounded. More wait in the kernel.
//   - All addresses are open, or none. Addresses with port 0 get one number, which is free
//     for TCP and UDP.
package listen

// Package nat is the actor that makes a node's ports reachable through a router, keeps
// them so, and tells the node its external address.
//
//	node ── Inbound, Stop ──▶ nat ── Publish(ExternalAddress) ──▶ node
//	                          │ ▲
//	                          ▼ │ found, read, mapped, verified, disturbed
//	             goroutines with deadlines: search, one call each, watch
//
// # Who talks to whom
//
// The node spawns one actor from [Props] and supervises it (permanent). It sends
// [Inbound] when somebody reached it from outside and [StatusRequest] for a snapshot; it
// gets each new [ExternalAddress] by [Config].Publish, and a snapshot of what is new to see
// by [Config].Changed. Everything that waits for a router runs in a goroutine with a
// deadline and answers with a message.
//
// What to do next is decided by a plain type, machine, which has no clock, no network and no
// goroutine: the actor performs the actions that it asks for. A lease is one port of ours
// at one router; its rules are in lease.go.
//
// # States
//
//   - searching: looking for a router, or trying those that answered.
//   - mapped: every port has its mapping, and the router's address is public.
//   - degraded: something of that is missing, and what is there is still good.
//   - unmapped: no router answered, or none would map. The words say why.
//   - double NAT: the router's own address is not public, so nothing it maps can be
//     reached from the Internet.
//
// # Invariants
//
//   - The actor never waits: each call to a library has a deadline and a goroutine of its
//     own, whose panic is the actor's crash and so a restart. (What can't be caught are
//     the goroutines of net/http under goupnp; no other library here starts any.)
//   - External and internal ports are different types. What is announced is the
//     external one that the router granted, whatever was asked for.
//   - Nothing is announced that a router's private address stands behind. What is
//     announced is told once for each change, not for each renewal, and stays through a
//     router's reboot until its lease would have ended.
//   - A lease is renewed at half of the time granted. A port once granted is asked for
//     again, over failures and restarts.
//   - A permanent mapping is made only where the router refuses all others (725), and
//     only after its external address has been asked, so that no rule stays behind
//     for nothing.
//   - Every answer of a router is bounded in size and in time, and comes from the host
//     that was asked; what doesn't parse is an error with words.
//   - Looking again is bounded: disturbances (announcements, epochs, refusals) start
//     a new search at once, but not more often than every few seconds.
package nat

// Package nat contains the actor that maps a node's ports at a router, keeps the mappings alive,
// and reports the external address to the node.
//
//	node ── Inbound, Leave ──▶ nat ── Publish(ExternalAddress) ──▶ node
//	                           │ ▲
//	                           ▼ │ found, read, mapped, verified, disturbed
//	              goroutines with deadlines: search, one call each, watch
//
// # Messages
//
// The node spawns one actor from [New] and supervises it (permanent). The node sends [Inbound]
// when a remote reached it from outside. [NAT.State] is a snapshot. The actor reports each new
// [ExternalAddress] through [Config].Publish, and each changed snapshot through
// [Config].Changed. Every call that waits for a router runs in a goroutine with a deadline, which
// sends its result to the actor as a message.
//
// A plain type, machine, decides what to do next. It has no clock, no network and no goroutine; the
// actor performs the actions that it requests. A lease is one local port at one router; its rules
// are in lease.go.
//
// # States
//
//   - searching: the actor searches for a router, or tries the routers that answered.
//   - mapped: every port has its mapping, and the router's address is public.
//   - degraded: at least one port is mapped, but another mapping, a renewal or the router is
//     missing.
//   - unmapped: no router answered, or no router grants a mapping. The status texts give the
//     reason.
//   - double NAT: the router's own address is not public, so nothing that it maps can be reached
//     from the Internet.
//
// # Invariants
//
//   - The actor never waits. Each library call has a deadline and a goroutine of its own; a panic
//     there crashes the actor, and the supervisor restarts it. (Panics in goroutines of net/http
//     under goupnp can't be caught; no other library here starts goroutines.)
//   - External and internal ports are different types. The node announces the external port that
//     the router granted, which may differ from the requested one.
//   - A mapping behind a router's private address is never announced. An announcement is sent once
//     for each change, not for each renewal. It remains valid through a router's reboot until its
//     lease would have ended.
//   - A lease is renewed at half of the granted time. A port that was once granted is requested
//     again, after failures and restarts.
//   - A refused request is repeated in other forms that the router may accept, a few times only
//     (wish). A permanent mapping is made only if the router refuses one that ends, and only after
//     the router's external address is known to be public, so that no useless rule remains in the
//     router. It becomes one that ends as soon as the router accepts that.
//   - Every answer of a router is bounded in size and in time. Requests go to the host that
//     answered, whatever URLs its answers name. An answer is read as what it is meant to be:
//     encoding, markup and labels may be wrong. One without meaning is an error with a text.
//   - Searches are rate-limited: a disturbance (an announcement, an epoch, a refusal) starts a new
//     search at once, but at most one every few seconds.
package nat

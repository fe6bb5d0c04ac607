// Package pool keeps transactions of remotes until they are included in a block: the rules of a
// pool, for a node that may know no state.
//
// A transaction is checked twice. [Check] needs no state, but time for the signature: it is called
// outside of actors, best by a [Checker], which bounds how many signatures are worked on at once.
// [Pool.Add] has the rules that depend on other transactions: nonces, balances, replacement, room.
//
// What is known of the sender decides how a transaction may go on to other peers ([Scope]). With a
// [State] its nonce and balance are checked, and it may be pushed. Without one nothing shows that
// the sender can pay. Such a transaction is announced only, and only once peers of two IP networks,
// or a trusted one, have announced it. Otherwise a single remote could make this node flood others.
//
// A pool is bounded in bytes, everything counted. When it is full, [Pool.Add] evicts by these rules:
//   - Transactions that may not go on, because one network alone has announced them, have a quarter
//     of the pool. Beyond it, the network with the most bytes of them loses its oldest.
//   - Otherwise the sender that holds the most loses its transaction with the highest nonce. Amounts
//     within a factor of two are equal, and small ones are. Among equals the sender that pays least
//     loses: what counts is the lowest fee cap of its transactions, because those after it wait for it.
//
// So no sender can crowd others out, no matter what it pays, and there is no fixed limit for one.
package pool

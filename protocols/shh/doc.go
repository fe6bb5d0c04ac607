// Package shh is Whisper, version 6 (EIP-627): encrypted messages that every node passes
// on and that only those can read who have the key. Nobody on the way learns who writes to
// whom; what an envelope says openly is a topic of four bytes, when it expires, and how
// much work was spent on it.
//
// A [Whisper] is a node's side. It has the old shh_* calls as methods: keys, Post, filters
// and subscriptions. Its [Whisper.Spec] goes into the node's Config:
//
//	w := shh.New(shh.Config{})
//	n, err := node.New(node.Config{Key: key, Specs: []protocols.Spec{w.Spec()}})
//
// A node that serves JSON-RPC has the old calls in namespace shh, with their old fields.
//
// # Who talks to whom
//
// For each link there is one actor, which has no state of its own: what a node knows of a
// peer lives in the link and outlives the actor's crashes. The actor judges what its peer
// sends, in its own turn, so that a peer whose envelopes are slow to judge or to decrypt
// waits for itself. What is new goes into the Whisper's pool, from there into the outboxes
// of all other links that want it, and through the node's filters. A lock guards pool and
// peers; while it is held nothing waits, computes at length, or calls foreign code.
//
// # Invariants
//
//   - An envelope is passed on to a peer once, and comes in once, also when it had to make
//     room in a full pool and arrives again.
//   - What a peer gets matches the PoW and bloom filter that it has told.
//   - What a remote can make this node hold is bounded: the pool in bytes and number, with
//     the least work making room; what each peer knows, by the pool's slots; what a filter
//     keeps; what waits to be sent, by the link's outbox. A peer whose outbox is full gets
//     the rest out of the pool when it has drained.
//   - An envelope that no honest node would send ends the link, one that came too late
//     does not, by the rules of go-ethereum's implementation. It is stricter in one thing:
//     a second status ends the link, too.
package shh

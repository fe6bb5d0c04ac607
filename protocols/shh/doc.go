// Package shh implements Whisper, version 6 (EIP-627). Every node forwards encrypted
// messages, and only the holders of the key can read them. Forwarding nodes learn neither
// the sender nor the recipient. An envelope's public fields are a topic of four bytes, its
// expiry and TTL, and a nonce that proves how much work was spent on it.
//
// A [Whisper] is a node's side of the protocol. Its methods are the old shh_* calls: keys,
// Post, filters and subscriptions. Its [Whisper.Spec] goes into the node's Config:
//
//	w := shh.New(shh.Config{})
//	n, err := node.New(node.Config{Key: key, Specs: []protocols.Spec{w.Spec()}})
//
// A node that serves JSON-RPC offers the old calls in the namespace shh, with their old
// fields.
//
// # Messages
//
// Each link has one actor without state of its own. The node's state about a peer is kept
// in the link, so it survives crashes of the actor. The actor validates its peer's messages
// in its own turn, so a peer whose envelopes are slow to validate or decrypt delays only
// itself. A new envelope goes into the Whisper's pool, then into the outboxes of all other
// links whose peers want it, and through the node's filters. One lock guards pool and
// peers. Code that holds the lock doesn't wait, doesn't compute for long and doesn't call
// foreign code.
//
// # Invariants
//
//   - An envelope is sent to a peer once and accepted once, even if it was evicted from a
//     full pool and arrives again.
//   - An envelope sent to a peer satisfies the PoW and the bloom filter that the peer has
//     announced.
//   - A remote can make this node hold only a bounded amount: the pool is bounded in bytes
//     and in number, and evicts the envelopes with the least work; the set of envelopes
//     that a peer has is bounded by the pool's slots; a filter is bounded; the link's
//     outbox bounds the messages to be sent. When a full outbox has drained, the peer gets
//     the rest from the pool.
//   - An envelope that no honest node would send ends the link; one that arrives too late
//     is dropped. These rules are go-ethereum's. This package is stricter in one point: a
//     second status ends the link.
package shh

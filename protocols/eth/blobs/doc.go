// Package blobs fetches the blobs of type-3 transactions as eth/72 has them (EIP-8070): as cells,
// 128 columns of them for each blob, any 64 of which give all. It has the rules; the caller has the
// network, the clock, and the goroutines in which cells are verified.
//
// For each announced transaction a [Fetcher] chooses a role. With a probability of 0.15 it is a
// provider: it fetches 64 columns and recovers the others. Otherwise it is a sampler: it fetches the
// columns of the node's custody, once two peers have announced that they have at least 64. If there is
// no second one within two seconds, the Fetcher becomes a provider of the transaction, so that a node with
// few peers gets blobs as well.
//
// The body of a transaction (without blobs, with commitments and proofs) and its cells come in
// either order, from one peer or from several. Until a transaction is whole, what there is of it stands in a
// buffer that is bounded: in bytes, in bytes for each peer, in transactions, and in time. What peers are asked
// for is reserved in it first. When it is full, the peer that holds most loses its oldest.
//
// # Faults
//
// The hash of a transaction covers the hashes of its commitments, but neither cells nor proofs. If cells do
// not fit a body, its proofs may be wrong as well as the cells. So the Fetcher asks for both of one peer
// where it can: then that peer is at fault. Otherwise 64 columns decide, because they give the blob, and
// the blob its commitment. Fewer don't. Then the peer that has sent the cells is asked for the body too: if
// its own proofs don't fit its own cells either, it is at fault, and if they do, the sender of the other body is.
// No peer is at fault for what it did not send, for an answer that has less than was asked for, or for
// a transaction that others have announced.
package blobs

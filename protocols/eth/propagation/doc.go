// Package propagation decides how transactions go on to peers: which peers get a transaction in full
// and which its hash, what a peer is known to have, and what waits to be sent to it.
//
// A [Fanout] chooses for a sender the peers that get its transactions in full: the square root of
// their number. All others get hashes, and so do the chosen ones where a transaction is large, has
// blobs, or may be announced only. A [Queue] has what one peer is to get. It never has what the peer
// is known to have, and its memory is bounded: a peer that does not read loses the oldest.
package propagation

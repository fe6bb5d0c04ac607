// Package head finds out by vote which block is the head of the chain.
//
// No consensus client tells this node. So once a slot an [Election] has three peers in turn asked for
// the headers after its head, and what peers of three IP networks (/24 for IPv4, /48 for IPv6) say alike
// counts, unless as many contradict it. A peer contradicts a block if it has another one in its
// branch, or does not have it and is more than a few blocks behind. A branch that most of those
// asked contradict is left. Trusted peers, files and an execution node set a head without a vote, and
// the highest of all is the head; none that a trusted peer contradicts counts by a vote.
//
// Three networks are cheap. An attacker with three, and with more than half of the peers that are
// asked, can have this node follow headers of its own. The node serves and relays by its head; it must
// not be used to decide on money.
//
// The rules know neither links nor clocks: the caller sends the queries, hands in the answers after
// package verify has checked them, and gives the time.
package head
